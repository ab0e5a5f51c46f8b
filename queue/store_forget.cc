#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <thread>

#include "queue/outcomes.h"
#include "queue/store_impl.h"
#include "queue/stream.h"

namespace volley::queue {

namespace {

constexpr int64_t kBlocks = 64;           // of outcomes, at once
constexpr int64_t kScan = 1000;           // names a cursor's step may look at
constexpr int64_t kEntries = 200;         // of a stream, at once
constexpr int64_t kCopied = 120'000;      // entries of a stream that one call may copy
constexpr std::chrono::milliseconds kLook{50};

// The block without the address; empty when nobody in it is meant.
Result<std::string> without(std::string_view block, const Store::Test& is_it, uint64_t& changed) {
  auto outcomes = decode_outcomes(block);
  if (!outcomes) return outcomes.error();
  changed = 0;
  for (FinalOutcome& outcome : *outcomes) {
    if (outcome.address.empty() || !is_it(outcome.address)) continue;
    outcome.address.clear();
    ++changed;
  }
  return changed == 0 ? std::string() : encode_outcomes(*outcomes);
}

// "volley:{p07}:m:123": the prefix and the number.
bool split_status_key(std::string_view key, std::string_view& prefix, std::string_view& number) {
  const size_t mark = key.find("}:m:");
  if (mark == std::string_view::npos) return false;
  prefix = key.substr(0, mark + 2);
  number = key.substr(mark + 4);
  return true;
}

bool any_names(const ReplyView& fields, const Store::Test& names) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (names(fields.at(i).text())) return true;
  }
  return false;
}

// "Ann <ann@example.com>": the address alone.
std::string_view bare(std::string_view mailbox) {
  const size_t open = mailbox.rfind('<');
  if (open != std::string_view::npos) {
    mailbox.remove_prefix(open + 1);
    mailbox = mailbox.substr(0, mailbox.find('>'));
  }
  while (mailbox.starts_with(' ')) mailbox.remove_prefix(1);
  while (mailbox.ends_with(' ')) mailbox.remove_suffix(1);
  return mailbox;
}

// Whether a waiting entry is one message, to that address.
bool is_message_to(const ReplyView& fields, const Store::Test& is_it) {
  for (size_t i = 0; i + 1 < fields.size(); i += 2) {
    const std::string_view name = fields.at(i).text();
    if (name != "message" && name != "batch") continue;
    auto message = nlohmann::json::parse(fields.at(i + 1).text(), nullptr, false);
    if (name == "batch") {
      if (!message.is_array() || message.size() != 1) return false;
      message = nlohmann::json(message[0]);
    }
    const auto to = message.is_object() ? message.find("to") : message.end();
    return to != message.end() && to->is_string() && is_it(bare(to->get_ref<const std::string&>()));
  }
  return false;
}

// Redis is not gone, it has no memory left.
bool is_full(const Error& error) { return error.message == error_of("OOM").message; }

struct LogState {
  bool enabled = false, running = false, good = true;
};

LogState log_state(std::string_view info) {
  const auto says = [&](std::string_view line) { return info.find(line) != std::string_view::npos; };
  return {says("aof_enabled:1"),
          says("aof_rewrite_in_progress:1") || says("aof_rewrite_scheduled:1"),
          says("aof_last_bgrewrite_status:ok")};
}

}  // namespace

Result<uint64_t> Store::forget_outcomes(std::string_view id, const std::string& domain,
                                        const Test& is_it) {
  uint64_t total = 0;
  for (const uint32_t p : partitions_of(domain, impl_->partitions)) {
    const std::string key = partition_key(p, fmt::format("o:{}", id));
    for (int64_t from = 0;; from += kBlocks) {
      Command range("LRANGE");
      range.arg(key).number(from).number(from + kBlocks - 1);
      auto blocks = impl_->link.run(range);
      if (!blocks) return blocks.error();
      for (size_t i = 0; i < blocks->view().size(); ++i) {
        const std::string_view block = blocks->view().at(i).text();
        uint64_t changed = 0;
        auto fresh = without(block, is_it, changed);
        if (!fresh) return fresh.error();
        if (changed == 0) continue;
        Command blot = Command::function("volley1_blot", partition_key(p));
        blot.arg(id).number(from + static_cast<int64_t>(i)).arg(block).arg(*fresh);
        auto done = impl_->link.run(blot);
        if (!done) return done.error();
        total += changed;
      }
      if (blocks->view().size() < static_cast<size_t>(kBlocks)) break;
    }
  }
  return total;
}

Result<uint64_t> Store::forget_words(const Test& names) {
  uint64_t total = 0;
  std::string cursor = "0";
  do {
    Command scan("SCAN");
    scan.arg(cursor).arg("MATCH").arg("volley:{p*}:m:*").arg("COUNT").number(kScan);
    auto page = impl_->link.run(scan);
    if (!page) return page.error();
    cursor = page->view().at(0).text();
    const ReplyView keys = page->view().at(1);
    std::vector<Command> reads;
    for (size_t i = 0; i < keys.size(); ++i)
      reads.push_back(Command("HGET").arg(keys.at(i).text()).arg("text"));
    if (reads.empty()) continue;
    auto texts = impl_->link.run(reads);
    if (!texts) return texts.error();
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::string_view text = (*texts)[i].view().text();
      std::string_view prefix, number;
      if (!split_status_key(keys.at(i).text(), prefix, number) || !names(text)) continue;
      auto done = impl_->link.run(Command::function("volley1_blank", prefix).arg(number).arg(text));
      if (!done) return done.error();
      ++total;
    }
  } while (cursor != "0" && !cursor.empty());
  auto campaigns = list();
  if (!campaigns) return campaigns.error();
  for (const Campaign& campaign : *campaigns) {
    if (!names(campaign.reason)) continue;
    const Status edited = edit(campaign.id, [](Campaign& c) { c.reason = "(forgotten)"; });
    if (!edited) return edited.error();
    ++total;
  }
  return total;
}

// Entries are deleted one page after the other; then the stream is copied, because deleted ones lie there until their neighbours go.
Result<IntakeForgotten> Store::forget_intake(const Test& names, const Test& is_it) {
  IntakeForgotten out;
  for (const std::string_view key : {kIntakeStream, kIntakeParked, kIntakeResults}) {
    std::string from = "-";
    for (;;) {
      Command range("XRANGE");
      range.arg(key).arg(from).arg("+").arg("COUNT").number(kEntries);
      auto page = impl_->link.run(range);
      if (!page) return page.error();
      const ReplyView entries = page->view();
      for (size_t i = 0; i < entries.size(); ++i) {
        const ReplyView fields = entries.at(i).at(1);
        from = fmt::format("({}", entries.at(i).at(0).text());
        if (!any_names(fields, names)) continue;
        if (key == kIntakeStream && !is_message_to(fields, is_it)) {
          ++out.left;
          continue;
        }
        auto gone = impl_->link.run(Command("XDEL").arg(key).arg(entries.at(i).at(0).text()));
        if (!gone) return gone.error();
        ++out.deleted;
      }
      if (entries.size() < static_cast<size_t>(kEntries)) break;
    }
    auto copied = impl_->link.run(Command::function("volley1_restream", key).number(kCopied));
    if (!copied && is_full(copied.error())) {
      out.full = true;
      continue;
    }
    if (!copied) return copied.error();
    out.too_long |= copied->view().number() < 0;
  }
  return out;
}

Status Store::seal_journals() {
  auto done = impl_->link.run(Command::function("volley1_seal", global_key()));
  return done ? Status() : done.error();
}

Result<bool> Store::rewrite_log(const std::function<bool()>& stop) {
  // One that runs already may have begun before what is to be rid of was deleted: it is waited for, and another one follows.
  for (bool asked = false;;) {
    auto info = impl_->link.run(Command("INFO").arg("persistence"));
    if (!info) return info.error();
    const LogState state = log_state(info->view().text());
    if (!state.enabled) return false;
    if (!state.running && asked) {
      if (state.good) return true;
      return Error{Errc::kUnavailable, "Redis could not rewrite its append-only file: see its log"};
    }
    if (!state.running) {
      auto begun = impl_->link.run(Command("BGREWRITEAOF"));
      if (!begun) return Error{Errc::kUnavailable, "BGREWRITEAOF: " + begun.error().message};
      asked = true;
    }
    if (stop()) return Error{Errc::kTempFail, "Redis still rewrites its append-only file"};
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace volley::queue
