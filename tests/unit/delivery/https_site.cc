#include "tests/unit/delivery/https_site.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace volley::delivery {

struct HttpsSite::Visitor final : net::StreamListener {
  Visitor(HttpsSite& s, net::StreamPtr from)
      : site(s), stream(std::move(from)), drip(s.loop_, [this] { drip_on(); }) {
    stream->set_listener(*this);
    if (site.manner == Manner::kNoTls) {
      stream->write(site.reply);
      stream->end();
    } else if (site.manner != Manner::kMute) {
      EXPECT_TRUE(stream->start_tls(*site.tls_, {.role = net::TlsRole::kServer}));
    }
  }
  void on_data(std::span<const char> bytes) override {
    request.append(bytes.data(), bytes.size());
    if (!request.ends_with("\r\n\r\n")) return;
    site.requests.push_back(request);
    if (site.manner == Manner::kDrip) drip_on();
    if (site.manner != Manner::kReply) return;
    --site.open;
    stream->write(site.reply);
    stream->end();
  }
  void on_closed(Error) override { drip.cancel(); }
  void drip_on() {
    stream->write(site.reply);
    drip.set_after(std::chrono::milliseconds(5));
  }

  HttpsSite& site;
  net::StreamPtr stream;
  net::Timer drip;
  std::string request;
};

HttpsSite::HttpsSite(net::Loop& loop, const net::TlsIdentity& identity, net::Endpoint at)
    : loop_(loop) {
  auto context = net::TlsContext::server(identity);
  EXPECT_TRUE(context) << context.error().message;
  tls_ = std::move(*context);
  auto listening =
      net::Listener::listen(loop, at, [this](net::StreamPtr stream) { accept(std::move(stream)); });
  EXPECT_TRUE(listening) << listening.error().message;
  listener_ = std::move(*listening);
}

HttpsSite::~HttpsSite() = default;

void HttpsSite::accept(net::StreamPtr stream) {
  ++connections;
  most_open = std::max(most_open, ++open);
  visitors_.push_back(std::make_unique<Visitor>(*this, std::move(stream)));
}

}  // namespace volley::delivery
