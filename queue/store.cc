#include "queue/store.h"

#include <fmt/format.h>

#include "queue/store_impl.h"

namespace volley::queue {

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const QueueUrl& url, uint32_t partitions,
                                           bool memory_durability) {
  auto impl = std::make_unique<Impl>(url, memory_durability);
  if (Status opened = impl->link.open(); !opened) return opened.error();
  Command command = Command::function("volley1_meta", global_key());
  command.number(kSchema).number(partitions).arg(random_bytes(32));
  auto meta = impl->link.run(command);
  if (!meta) return meta.error();
  const ReplyView view = meta->view();
  if (view.at(0).number() != kSchema) {
    return Error{
        Errc::kUnavailable,
        fmt::format("the queue at {} has schema {}, this Volley reads {}: use the Volley that "
                    "made it, or drain it first",
                    url.str(), view.at(0).number(), kSchema)};
  }
  if (view.at(1).number() != partitions) {
    return Error{
        Errc::kConfig,
        fmt::format("the queue at {} was made with {} partitions, the configuration says {}: the "
                    "number cannot change while mail lies in it",
                    url.str(), view.at(1).number(), partitions)};
  }
  impl->partitions = partitions;
  impl->dedupe_key = view.at(2).text();
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

void Store::set_patience(Duration patience) { impl_->link.set_patience(patience); }
void Store::set_counters(metrics::Shard* counters) { impl_->link.set_counters(counters); }
uint32_t Store::partitions() const { return impl_->partitions; }
const std::vector<std::string>& Store::warnings() const { return impl_->link.warnings(); }
std::string Store::dedupe_key() const { return impl_->dedupe_key; }

Result<int64_t> Store::Impl::now_ms() {
  auto time = link.run(Command("TIME"));
  if (!time) return time.error();
  return time->view().at(0).number() * 1000 + time->view().at(1).number() / 1000;
}

Result<int64_t> Store::now_ms() { return impl_->now_ms(); }

Result<std::vector<EngineStatus>> Store::engines() {
  auto all = impl_->link.run(Command("HGETALL").arg(global_key("engines")));
  if (!all) return all.error();
  std::vector<EngineStatus> out;
  for (size_t i = 0; i + 1 < all->view().size(); i += 2) {
    const std::string_view value = all->view().at(i + 1).text();
    const size_t bar = value.find('|');
    if (bar == std::string_view::npos) continue;
    EngineStatus status;
    status.engine = all->view().at(i).text();
    status.at_ms = all->view().at(i + 1).number();
    status.json = value.substr(bar + 1);
    out.push_back(std::move(status));
  }
  return out;
}

Status Store::publish_status(std::string_view engine, std::string_view json) {
  Command command = Command::function("volley1_status", global_key());
  command.arg(engine).arg(json);
  auto done = impl_->link.run(command);
  return done ? Status() : done.error();
}

}  // namespace volley::queue
