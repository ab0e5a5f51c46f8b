#include "tests/unit/delivery/peer.h"

#include <array>

namespace volley::delivery {

class Peer::Conn final : public net::StreamListener {
 public:
  Conn(Peer& peer, net::StreamPtr stream)
      : peer_(peer),
        server_(peer.script.server),
        stream_(std::move(stream)),
        number_(++peer.connections) {
    peer_.most_open = std::max(peer_.most_open, ++peer_.open);
    stream_->set_listener(*this);
    server_.start(peer_.loop_.now());
    work();
  }

  void on_data(std::span<const char> bytes) override {
    if (garbled_) return stream_->write("this is no handshake at all, whatever you expected\r\n");
    const std::string_view text(bytes.data(), bytes.size());
    const size_t end = text.find("\r\n.\r\n");
    if (end != std::string_view::npos && text.find("MAIL FROM", end) != std::string_view::npos) {
      ++peer_.pipelined;
    }
    server_.feed(text, peer_.loop_.now());
    work();
  }
  void on_tls_ready(const net::TlsInfo&) override {
    server_.tls_established(peer_.loop_.now());
    work();
  }
  void on_closed(Error) override { closed(); }

 private:
  using Type = smtp::Server::Event::Type;

  void closed() {
    if (std::exchange(dead_, true)) return;
    --peer_.open;
    stream_->close();
  }

  void work() {
    while (!dead_) {
      const auto event = server_.next_event();
      if (!event) break;
      on_event(*event);
    }
    flush();
    if (ending_ && !dead_) stream_->end();
  }

  void flush() {
    if (dead_) return;
    std::array<std::string_view, 16> slices;
    while (const size_t count = server_.gather(slices)) {
      size_t bytes = 0;
      for (size_t i = 0; i < count; ++i) bytes += slices[i].size();
      stream_->write_gather(std::span<const std::string_view>(slices.data(), count));
      server_.consume(bytes);
    }
  }

  void answer(const std::optional<PeerReply>& reply) {
    if (reply) server_.respond(reply->code, reply->enhanced, reply->text);
  }

  void on_event(const smtp::Server::Event& event) {
    const PeerScript& plan = peer_.script;
    switch (event.type) {
      case Type::kConnected:
        return answer(plan.greeting);
      case Type::kMail:
        from_ = event.text;
        envid_ = server_.dsn().envid;
        rcpts_.clear();
        if (plan.close_after != 0 && taken_ >= plan.close_after) {
          server_.respond(421, "4.7.0", "enough for this connection");
          ending_ = true;
        }
        return;
      case Type::kRcpt:
        rcpt_ = event.text;
        content_.clear();
        return on_rcpt();
      case Type::kDataChunk:
        content_ += event.text;
        return;
      case Type::kDataEnd:
        return on_end();
      case Type::kNeedTls:
        return start_tls();
      case Type::kClose:
        ending_ = true;
        return;
      default:
        return;
    }
  }

  void on_rcpt() {
    const PeerScript& plan = peer_.script;
    if (plan.rcpt_takes > Duration{}) peer_.loop_.skip(plan.rcpt_takes);
    const auto reply = plan.on_rcpt ? plan.on_rcpt(rcpt_) : std::nullopt;
    answer(reply);
    if (!reply || reply->code < 300) rcpts_.push_back(rcpt_);
  }

  void on_end() {
    const PeerScript& plan = peer_.script;
    if (++peer_.ends == plan.die_at) {
      flush();
      return closed();
    }
    const auto reply = plan.on_data_end ? plan.on_data_end(rcpt_) : std::nullopt;
    answer(reply);
    if (reply && reply->code >= 300) return;
    ++taken_;
    peer_.mails.push_back(
        {number_, server_.tls(), from_, rcpt_, content_, std::exchange(rcpts_, {}), envid_});
    if (peer_.on_mail) peer_.on_mail();
  }

  void start_tls() {
    flush();
    garbled_ = peer_.script.break_tls;
    if (garbled_) return;
    net::TlsStart start;
    start.role = net::TlsRole::kServer;
    if (!stream_->start_tls(*peer_.script.tls, start)) closed();
  }

  Peer& peer_;
  smtp::Server server_;
  net::StreamPtr stream_;
  const size_t number_;
  std::string from_, rcpt_, content_, envid_;
  std::vector<std::string> rcpts_;
  uint32_t taken_ = 0;
  bool ending_ = false, dead_ = false, garbled_ = false;
};

Peer::Peer(net::Loop& loop, PeerScript peer_script, const net::Endpoint& at)
    : script(std::move(peer_script)), loop_(loop) {
  auto listener = net::Listener::listen(loop, at, [this](net::StreamPtr stream) {
    conns_.push_back(std::make_unique<Conn>(*this, std::move(stream)));
  });
  listener_ = std::move(*listener);
}

Peer::~Peer() = default;

}  // namespace volley::delivery
