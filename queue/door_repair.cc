#include <fmt/format.h>

#include "queue/door_impl.h"
#include "queue/keys.h"
#include "queue/repair.h"

namespace volley::queue {

namespace {

constexpr int64_t kScanKeys = 500;

std::function<void(Result<Reply>)> as_number(std::function<void(Result<uint64_t>)> done) {
  return [done = std::move(done)](Result<Reply> answer) {
    if (!answer) return done(answer.error());
    done(answer->view().unsigned_number());
  };
}

}  // namespace

void Door::park(uint32_t partition, uint64_t epoch, uint64_t lease, std::string_view why,
                std::function<void(Result<uint64_t>)> done) {
  Command command = Command::function("volley1_park", partition_key(partition));
  command.number(static_cast<int64_t>(epoch)).number(static_cast<int64_t>(lease)).arg(why);
  impl_->connection.call(command, as_number(std::move(done)));
}

void Door::drift(uint32_t partition, std::span<const std::string> campaigns,
                 std::function<void(Result<uint64_t>)> done) {
  Command command = Command::function("volley1_drift", partition_key(partition));
  for (const std::string& campaign : campaigns) command.arg(campaign);
  impl_->connection.call(command, as_number(std::move(done)));
}

void Door::history(uint64_t mark, uint64_t expected, std::function<void(Result<uint64_t>)> done) {
  Command command = Command::function("volley1_history", global_key());
  command.arg(impl_->engine).number(static_cast<int64_t>(mark));
  command.number(static_cast<int64_t>(expected));
  impl_->connection.call(command, as_number(std::move(done)));
}

// Page by page, one call at a time.
void Door::Impl::mend_page(uint32_t partition, const std::string& cursor, uint64_t mended,
                           std::function<void(Result<uint64_t>)> done) {
  Command scan("SCAN");
  scan.arg(cursor).arg("MATCH").arg(partition_key(partition, "*")).arg("COUNT").number(kScanKeys);
  scan.arg("TYPE").arg("list");
  connection.call(scan, [this, partition, mended, done = std::move(done)](Result<Reply> page) {
    if (!page) return done(page.error());
    const std::string next(page->view().at(0).text());
    std::vector<ListName> lists;
    const ReplyView keys = page->view().at(1);
    for (size_t i = 0; i < keys.size(); ++i) {
      auto list = parse_list_key(keys.at(i).text());
      if (list && list->place != 'f') lists.push_back(std::move(*list));
    }
    connection.call(repair_command(partition, false, lists),
                    [this, partition, next, mended, done](Result<Reply> answer) {
                      if (!answer) return done(answer.error());
                      uint64_t sum = mended;
                      for (size_t i = 0; i < answer->view().size(); ++i)
                        sum += answer->view().at(i).unsigned_number();
                      if (next == "0" || next.empty()) return done(sum);
                      mend_page(partition, next, sum, done);
                    });
  });
}

void Door::mend(uint32_t partition, std::function<void(Result<uint64_t>)> done) {
  impl_->mend_page(partition, "0", 0, std::move(done));
}

}  // namespace volley::queue
