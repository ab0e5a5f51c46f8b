#include "base/net/stream.h"

#include "base/net/uv_stream.h"

namespace volley::net {

StreamPtr connect(Loop& loop, const Endpoint& to, const std::optional<Endpoint>& source,
                  StreamListener& listener) {
  const bool is_unix = to.family() == Endpoint::Family::kUnix;
  auto* stream = new UvStream(loop, is_unix ? UvStream::Kind::kPipe : UvStream::Kind::kTcp);
  StreamPtr owner(stream);
  stream->connect_to(to, source, listener);
  return owner;
}

}  // namespace volley::net
