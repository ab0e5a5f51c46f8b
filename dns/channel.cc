#include "dns/channel.h"

#include <ares.h>
#include <arpa/inet.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/net/fd_watcher.h"
#include "base/net/loop.h"

namespace volley::dns {

namespace {

constexpr int kTimeoutMs = 2000;
constexpr int kSocketBuffer = 4 << 20;
constexpr int kEdnsSize = 1232;  // DNS flag day 2020: never fragmented
constexpr int kClassInternet = 1;
constexpr uint16_t kDnsPort = 53;
constexpr size_t kFlagsByte = 3;
constexpr unsigned char kAdBit = 0x20;

// NOCHECKRESP: else c-ares hides SERVFAIL and friends behind a timeout.
constexpr int kFlags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_EDNS;

Error ares_error(const char* what, int rc) {
  return {Errc::kInternal, std::string(what) + ": " + ares_strerror(rc)};
}

// ares_library_init() is not safe to call from two threads at once; this is.
Status initialize_library() {
  static const int rc = ares_library_init(ARES_LIB_INIT_ALL);
  if (rc != ARES_SUCCESS) return ares_error("starting the resolver", rc);
  return {};
}

Status set_server(ares_channel channel, const net::Endpoint& server) {
  if (!server.is_ip()) {
    return Error{Errc::kConfig, "dns server " + server.str() + ": an IP address is needed"};
  }
  ares_addr_port_node node{};
  bool v4 = server.family() == net::Endpoint::Family::kV4;
  node.family = v4 ? AF_INET : AF_INET6;
  auto* to = v4 ? reinterpret_cast<uint8_t*>(&node.addr.addr4)
                : reinterpret_cast<uint8_t*>(&node.addr.addr6);
  std::copy_n(server.bytes().begin(), v4 ? 4 : 16, to);
  node.udp_port = node.tcp_port = server.port() == 0 ? kDnsPort : server.port();
  int rc = ares_set_servers_ports(channel, &node);
  if (rc != ARES_SUCCESS) return ares_error("setting the dns server", rc);
  return {};
}

// Not to be guessed by who forges replies. c-ares tells replies apart by id and question, so ids
// need not be unique. getrandom() cannot fail for so few bytes.
uint16_t random_id() {
  uint16_t id = 0;
  (void)!::getrandom(&id, sizeof id, 0);
  return id;
}

}  // namespace

struct Channel::Impl {
  struct Question {
    Impl* channel;
    uint64_t id;
  };

  net::Loop& loop;
  net::Endpoint server;
  bool ask_ad;
  Listener& listener;
  ares_channel channel = nullptr;
  std::map<int, std::unique_ptr<net::FdWatcher>> watchers;
  size_t outstanding = 0;
  bool dying = false;

  Impl(net::Loop& l, net::Endpoint s, bool ad, Listener& r)
      : loop(l), server(std::move(s)), ask_ad(ad), listener(r) {}
  ~Impl() {
    dying = true;
    if (channel != nullptr) ares_destroy(channel);
  }

  Status open();
  void watch(int fd, bool readable, bool writable);
  void process(int read_fd, int write_fd);
  void on_reply(uint64_t id, int status, const uint8_t* bytes, int size);
};

Status Channel::Impl::open() {
  ares_options options{};
  options.flags = kFlags;
  options.timeout = kTimeoutMs;
  // Once here; Upstream asks the next server, and this one again, itself.
  options.tries = 1;
  options.ednspsz = kEdnsSize;
  options.socket_send_buffer_size = kSocketBuffer;
  options.socket_receive_buffer_size = kSocketBuffer;
  options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<Impl*>(self)->watch(fd, readable != 0, writable != 0);
  };
  options.sock_state_cb_data = this;
  int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
             ARES_OPT_SOCK_SNDBUF | ARES_OPT_SOCK_RCVBUF | ARES_OPT_SOCK_STATE_CB;
  int rc = ares_init_options(&channel, &options, mask);
  if (rc != ARES_SUCCESS) {
    channel = nullptr;
    return ares_error("starting the resolver", rc);
  }
  return set_server(channel, server);
}

void Channel::Impl::watch(int fd, bool readable, bool writable) {
  if (!readable && !writable) {
    // c-ares closes the descriptor right after this: stop polling it now.
    watchers.erase(fd);
    return;
  }
  auto& watcher = watchers[fd];
  if (!watcher) {
    watcher = std::make_unique<net::FdWatcher>(loop, fd, [this, fd](bool can_read, bool can_write) {
      process(can_read ? fd : ARES_SOCKET_BAD, can_write ? fd : ARES_SOCKET_BAD);
    });
  }
  watcher->watch(readable, writable);
}

void Channel::Impl::process(int read_fd, int write_fd) {
  ares_process_fd(channel, read_fd, write_fd);
  // Last: it may destroy this channel.
  listener.on_channel_idle();
}

void Channel::Impl::on_reply(uint64_t id, int status, const uint8_t* bytes, int size) {
  if (dying) return;
  --outstanding;
  std::span<const uint8_t> packet;
  if (bytes != nullptr && size > 0) packet = {bytes, static_cast<size_t>(size)};
  listener.on_channel_reply(id, packet, ares_strerror(status));
}

Channel::Channel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Channel::~Channel() = default;

Result<std::unique_ptr<Channel>> Channel::create(net::Loop& loop, const net::Endpoint& server,
                                                 bool ask_ad, Listener& listener) {
  if (Status ready = initialize_library(); !ready) return ready.error();
  auto impl = std::make_unique<Impl>(loop, server, ask_ad, listener);
  if (Status opened = impl->open(); !opened) return opened.error();
  return std::unique_ptr<Channel>(new Channel(std::move(impl)));
}

// ares_query() has no say about the AD bit.
void Channel::send(uint64_t id, const std::string& name, RecordType type) {
  ++impl_->outstanding;
  unsigned char* packet = nullptr;
  int size = 0;
  int rc = ares_create_query(name.c_str(), kClassInternet, static_cast<int>(type), random_id(), 1,
                             &packet, &size, lost_edns() ? 0 : kEdnsSize);
  if (rc != ARES_SUCCESS) return impl_->on_reply(id, rc, nullptr, 0);
  if (impl_->ask_ad) packet[kFlagsByte] |= kAdBit;
  auto question = std::make_unique<Impl::Question>(Impl::Question{impl_.get(), id});
  ares_send(
      impl_->channel, packet, size,
      [](void* arg, int status, int, unsigned char* bytes, int length) {
        std::unique_ptr<Impl::Question> q(static_cast<Impl::Question*>(arg));
        q->channel->on_reply(q->id, status, bytes, length);
      },
      question.release());
  ares_free_string(packet);
}

void Channel::check_timeouts() { impl_->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }

size_t Channel::outstanding() const { return impl_->outstanding; }

bool Channel::lost_edns() const {
  ares_options options{};
  int mask = 0;
  if (ares_save_options(impl_->channel, &options, &mask) != ARES_SUCCESS) return false;
  bool lost = (options.flags & ARES_FLAG_EDNS) == 0;
  ares_destroy_options(&options);
  return lost;
}

const net::Endpoint& Channel::server() const { return impl_->server; }

Result<std::vector<net::Endpoint>> system_servers() {
  if (Status ready = initialize_library(); !ready) return ready.error();
  ares_channel channel = nullptr;
  if (int rc = ares_init(&channel); rc != ARES_SUCCESS)
    return ares_error("reading resolv.conf", rc);
  ares_addr_port_node* nodes = nullptr;
  int rc = ares_get_servers_ports(channel, &nodes);
  std::vector<net::Endpoint> out;
  for (ares_addr_port_node* n = nodes; n != nullptr; n = n->next) {
    auto port = static_cast<uint16_t>(n->udp_port == 0 ? kDnsPort : n->udp_port);
    if (n->family == AF_INET) {
      std::array<uint8_t, 4> bytes;
      std::memcpy(bytes.data(), &n->addr.addr4, bytes.size());
      out.push_back(net::Endpoint::v4(bytes, port));
    } else {
      std::array<uint8_t, 16> bytes;
      std::memcpy(bytes.data(), &n->addr.addr6, bytes.size());
      out.push_back(net::Endpoint::v6(bytes, port));
    }
  }
  ares_free_data(nodes);
  ares_destroy(channel);
  if (rc != ARES_SUCCESS) return ares_error("reading resolv.conf", rc);
  if (out.empty()) {
    return Error{Errc::kConfig, "no dns server known: set dns.servers = [\"127.0.0.1\"]"};
  }
  return out;
}

}  // namespace volley::dns
