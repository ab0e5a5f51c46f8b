#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "queue/outcomes.h"
#include "queue/repair.h"
#include "queue/store_impl.h"

namespace volley::queue {

namespace {

constexpr int64_t kScanKeys = 1000;
constexpr size_t kListsAtOnce = 100;

std::string_view take_until(std::string_view& text, char end) {
  const size_t at = text.find(end);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return head;
}

bool parse(std::string_view text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::optional<ListName> parse_list_key(std::string_view key) {
  ListName out;
  uint64_t partition = 0;
  if (!key.starts_with("volley:{p")) return std::nullopt;
  key.remove_prefix(9);
  if (!parse(take_until(key, '}'), partition) || !key.starts_with(':')) return std::nullopt;
  out.partition = static_cast<uint32_t>(partition);
  key.remove_prefix(1);
  if (key.starts_with("f:")) {
    out.place = 'f';
    key.remove_prefix(2);
    return parse(key, out.lease) ? std::optional(out) : std::nullopt;
  }
  if (key.starts_with("r:")) {
    out.place = 'r';
    key.remove_prefix(2);
    out.due = take_until(key, '|');
    out.lane_tenant = take_until(key, '|');
    out.campaign = take_until(key, '|');
  } else {
    const std::string lane(take_until(key, ':'));
    out.lane_tenant = fmt::format("{}:{}", lane, take_until(key, ':'));
    const std::string_view place = take_until(key, ':');
    if ((lane != "t" && lane != "b") || (place != "q" && place != "h")) return std::nullopt;
    out.place = place[0];
    out.campaign = take_until(key, ':');
  }
  out.domain = key;
  if (out.campaign.empty() || out.domain.empty()) return std::nullopt;
  return out;
}

Command repair_command(uint32_t partition, bool dry_run, std::span<const ListName> lists) {
  Command command = Command::function("volley1_repair", partition_key(partition));
  command.arg(dry_run ? "1" : "0");
  for (const ListName& list : lists) {
    command.arg(std::string(1, list.place)).arg(list.due).arg(list.lane_tenant);
    command.arg(list.campaign).arg(list.domain);
  }
  return command;
}

namespace {

// One pass over the keys; each batch of lists is asked about where it lies.
class Repair {
 public:
  Repair(StoreLink& link, uint32_t partitions, bool dry_run)
      : link_(link), partitions_(partitions), dry_run_(dry_run) {}

  void know(std::string id, std::string lt) {
    campaigns_.emplace_back(std::move(id), std::move(lt));
  }

  Result<RepairTotals> run() {
    std::string cursor = "0";
    do {
      Command scan("SCAN");
      scan.arg(cursor).arg("MATCH").arg("volley:{p*").arg("COUNT").number(kScanKeys);
      scan.arg("TYPE").arg("list");
      auto page = link_.run(scan);
      if (!page) return page.error();
      cursor = page->view().at(0).text();
      const ReplyView keys = page->view().at(1);
      for (size_t i = 0; i < keys.size(); ++i) {
        auto list = parse_list_key(keys.at(i).text());
        if (!list || list->partition >= partitions_) continue;
        ++totals_.lists;
        auto& some = list->place == 'f' ? flights_ : lists_[list->partition];
        some.push_back(std::move(*list));
      }
      if (Status status = ask(); !status) return status.error();
    } while (cursor != "0" && !cursor.empty());
    return totals_;
  }

 private:
  Status ask() {
    for (const auto& [partition, lists] : lists_) {
      for (size_t from = 0; from < lists.size(); from += kListsAtOnce) {
        const std::span<const ListName> some(lists.data() + from,
                                             std::min(kListsAtOnce, lists.size() - from));
        auto answer = link_.run(repair_command(partition, dry_run_, some));
        if (!answer) return answer.error();
        for (size_t i = 0; i < answer->view().size(); ++i)
          totals_.mended += answer->view().at(i).unsigned_number();
      }
    }
    lists_.clear();
    for (const ListName& flight : std::exchange(flights_, {})) {
      if (Status status = look_at(flight); !status) return status;
    }
    return {};
  }

  Status look_at(const ListName& flight) {
    std::vector<Command> commands;
    for (const char* leases : {"inf", "dead"})
      commands.push_back(Command("HEXISTS")
                             .arg(partition_key(flight.partition, leases))
                             .arg(fmt::format("{}", flight.lease)));
    const std::string key = partition_key(flight.partition, fmt::format("f:{}", flight.lease));
    commands.push_back(Command("LINDEX").arg(key).arg("0"));
    auto answers = link_.run(commands);
    if (!answers) return answers.error();
    const std::string_view bytes = (*answers)[2].view().text();
    if ((*answers)[0].view().number() + (*answers)[1].view().number() > 0 || bytes.empty())
      return {};
    auto chunk = Chunk::decode(bytes);
    if (chunk && !chunk->recipients().empty()) {
      const Recipient& first = chunk->recipients().front();
      const size_t at = first.address.rfind('@');
      const std::string domain = queue_domain(first.address.substr(at + 1), first.number);
      for (const auto& [id, lt] : campaigns_) {
        Command adopt = Command::function("volley1_adopt", partition_key(flight.partition));
        adopt.arg(fmt::format("{}", flight.lease)).arg(lt).arg(id).arg(domain);
        auto adopted = link_.run(adopt.arg(dry_run_ ? "1" : "0"));
        if (!adopted) return adopted.error();
        if (adopted->view().number() != 1) continue;
        ++totals_.adopted;
        return {};
      }
    }
    totals_.unknown.push_back(key);
    return {};
  }

  StoreLink& link_;
  uint32_t partitions_;
  bool dry_run_;
  std::vector<std::pair<std::string, std::string>> campaigns_;  // id, lane and tenant
  std::map<uint32_t, std::vector<ListName>> lists_;
  std::vector<ListName> flights_;
  RepairTotals totals_;
};

}  // namespace

Result<RepairTotals> Store::repair(bool dry_run) {
  Repair repair(impl_->link, impl_->partitions, dry_run);
  repair.know(std::string(kSingleMessages), lane_tenant(Lane::kTransactional, kDefaultTenant));
  auto all = list();
  if (!all) return all.error();
  for (const Campaign& c : *all) repair.know(c.id, lane_tenant(c.lane, c.tenant));
  return repair.run();
}

Result<std::vector<DamagedChunk>> Store::damaged() {
  std::vector<DamagedChunk> out;
  for (uint32_t p = 0; p < impl_->partitions; ++p) {
    const Command commands[2] = {Command("HGETALL").arg(partition_key(p, "why")),
                                 Command("HGETALL").arg(partition_key(p, "dead"))};
    auto answers = impl_->link.run(commands);
    if (!answers) return answers.error();
    std::map<std::string, std::string, std::less<>> leases;
    const ReplyView dead = (*answers)[1].view(), why = (*answers)[0].view();
    for (size_t i = 0; i + 1 < dead.size(); i += 2)
      leases.emplace(dead.at(i).text(), dead.at(i + 1).text());
    for (size_t i = 0; i + 1 < why.size(); i += 2) {
      const auto lease = leases.find(why.at(i).text());
      if (lease == leases.end()) continue;
      DamagedChunk chunk;
      chunk.partition = p;
      chunk.lease = why.at(i).unsigned_number();
      chunk.why = why.at(i + 1).text();
      std::string_view rest = lease->second;
      take_until(rest, '|');
      parse_lane_tenant(take_until(rest, '|'), chunk.destination.lane, chunk.destination.tenant);
      chunk.destination.campaign = take_until(rest, '|');
      chunk.destination.domain = take_until(rest, '|');
      parse(take_until(rest, '|'), chunk.recipients);
      chunk.key = partition_key(p, fmt::format("f:{}", chunk.lease));
      out.push_back(std::move(chunk));
    }
  }
  return out;
}

Result<std::optional<uint64_t>> Store::drop(const DamagedChunk& chunk) {
  Command command = Command::function("volley1_drop", partition_key(chunk.partition));
  auto answer = impl_->link.run(command.arg(fmt::format("{}", chunk.lease)));
  if (!answer) return answer.error();
  const int64_t count = answer->view().number();
  if (count < 0) return std::optional<uint64_t>();
  return std::optional<uint64_t>(static_cast<uint64_t>(count));
}

Result<ChangeResult> Store::resolve(const Found& found, std::span<const Known> known,
                                    std::string_view engine) {
  const Place& place = found.place;
  if (known.empty()) return Error{Errc::kInternal, "nothing is known"};
  ChunkBuilder rest;
  std::vector<FinalOutcome> outcomes;
  uint64_t counts[6] = {};
  size_t next = 0;
  for (size_t i = 0; i < found.recipients.size(); ++i) {
    const Recipient& r = found.recipients[i];
    if (next == known.size() || known[next].index != i) {
      rest.add(r);
      continue;
    }
    const Known& k = known[next++];
    outcomes.push_back({r.number, k.outcome, k.code, {}, std::string(r.address)});
    ++counts[static_cast<size_t>(k.outcome)];
  }
  rest.set_inline_content(found.chunk.inline_content());
  const bool single = place.destination.campaign == kSingleMessages;
  Command command = Command::function("volley1_resolve", partition_key(place.partition));
  command.arg(impl_->tool()).number(++impl_->changes).arg(engine);
  command.arg(std::string(1, letter_of(place.where)));
  command.arg(lane_tenant(place.destination.lane, place.destination.tenant));
  command.arg(place.destination.campaign).arg(place.destination.domain);
  command.arg(which_of(place)).number(found.index).arg(found.bytes);
  command.arg(rest.size() > 0 ? rest.encode() : std::string());
  command.arg(single ? std::string() : encode_outcomes(outcomes));
  for (const Outcome o :
       {Outcome::kDelivered, Outcome::kBounced, Outcome::kExpired, Outcome::kSuppressed})
    command.number(static_cast<int64_t>(counts[static_cast<size_t>(o)]));
  if (single) {
    for (const FinalOutcome& o : outcomes)
      command.arg(fmt::format("{}", o.number)).arg(to_string(o.outcome)).number(o.code);
  }
  auto answer = impl_->link.run(command);
  if (!answer) return answer.error();
  const int64_t changed = answer->view().number();
  return changed > 0    ? ChangeResult::kChanged
         : changed == 0 ? ChangeResult::kMoved
                        : ChangeResult::kOver;
}

Result<uint64_t> Store::history(std::string_view engine, uint64_t mark) {
  Command command = Command::function("volley1_history", global_key());
  command.arg(engine).number(static_cast<int64_t>(mark)).number(0);
  auto answer = impl_->link.run(command);
  if (!answer) return answer.error();
  return answer->view().unsigned_number();
}

Result<bool> Store::syncs_always() {
  auto answer = impl_->link.run(Command("CONFIG").arg("GET").arg("appendfsync"));
  if (!answer) return false;  // it does not show its configuration
  return answer->view().at(1).text() == "always";
}

}  // namespace volley::queue
