#!/usr/bin/php
<?php
// Adds one message to Volley's queue (docs/stream.md) and prints the entry's id.
//
// apt install php-cli php-redis
// REDIS_URL=redis://127.0.0.1:6379/0 ./add_message.php ada@example.net order-4711
//
// REDIS_URL is the queue's: that of `[queue] url` in volley.toml. The socket of an embedded one is
// unix://PATH, PATH being the first line of <data>/redis.sock-path.
declare(strict_types=1);

[, $to, $key] = $argv;
$where = getenv('REDIS_URL') ?: 'redis://127.0.0.1:6379/0';
$queue = new Redis();
if (str_starts_with($where, 'unix://')) {
    $queue->connect(substr($where, strlen('unix://')));
} else {
    $url = parse_url($where);
    $queue->connect($url['host'], $url['port'] ?? 6379);
    if (isset($url['pass'])) {
        $queue->auth(empty($url['user']) ? $url['pass'] : [$url['user'], $url['pass']]);
    }
    $queue->select((int) trim($url['path'] ?? '', '/'));
}
$message = [
    'from' => 'Shop <shop@example.com>',
    'to' => $to,
    'subject' => 'Your order',
    'text' => "It is on its way.\n",
];
// The same key with the same body is sent once: after an error, add it again.
$id = $queue->xAdd('volley:intake', '*', [
    'message' => json_encode($message, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE),
    'key' => $key,
]);
if ($id === false) {  // this extension does not throw what the server answers
    fwrite(STDERR, $queue->getLastError() . "\n");
    exit(1);
}
echo $id, "\n";
