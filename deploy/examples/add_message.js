#!/usr/bin/node
// Adds one message to Volley's queue (docs/stream.md) and prints the entry's id.
//
// apt install nodejs node-redis    (or: npm install redis)
// REDIS_URL=redis://127.0.0.1:6379/0 ./add_message.js ada@example.net order-4711
//
// REDIS_URL is the queue's: that of `[queue] url` in volley.toml. The socket of an embedded one is
// unix://PATH, PATH being the first line of <data>/redis.sock-path.
'use strict';
const { createClient } = require('redis');

async function main([to, key]) {
  const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379/0';
  const queue = createClient(
    url.startsWith('unix://') ? { socket: { path: url.slice('unix://'.length) } } : { url });
  await queue.connect();
  const message = {
    from: 'Shop <shop@example.com>',
    to,
    subject: 'Your order',
    text: 'It is on its way.\n',
  };
  try {
    // The same key with the same body is sent once: after an error, add it again.
    console.log(await queue.xAdd('volley:intake', '*', { message: JSON.stringify(message), key }));
  } finally {
    await queue.quit();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
