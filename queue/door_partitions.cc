#include <fmt/format.h>

#include <charconv>

#include "queue/chunk.h"
#include "queue/door_impl.h"
#include "queue/keys.h"
#include "queue/outcomes.h"

namespace volley::queue {

namespace {

Status to_status(const Result<Reply>& answer) { return answer ? Status() : Status(answer.error()); }

Claimed to_claimed(const ReplyView& fields) {
  Claimed out;
  out.lease = fields.at(0).unsigned_number();
  parse_lane_tenant(fields.at(1).text(), out.destination.lane, out.destination.tenant);
  out.destination.campaign = fields.at(2).text();
  out.destination.domain = fields.at(3).text();
  out.chunk = fields.at(4).text();
  out.done = fields.at(5).text();
  out.reclaims = static_cast<uint32_t>(fields.at(6).unsigned_number());
  out.more = fields.size() < 8 || fields.at(7).number() != 0;
  return out;
}

std::vector<Claimed> to_claimed_list(const ReplyView& list) {
  std::vector<Claimed> out;
  out.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) out.push_back(to_claimed(list.at(i)));
  return out;
}

uint32_t code_of(std::string_view reply) {
  uint32_t code = 0;
  if (reply.size() >= 3) std::from_chars(reply.data(), reply.data() + 3, code);
  return code;
}

// Single messages keep a status each; their chunks hold one recipient, so nobody else's settlement carries these.
void add_single_notes(Command& command, const Settlement& s) {
  std::vector<std::pair<uint64_t, std::string>> notes = s.single_notes;
  for (const FinalOutcome& o : s.outcomes) {
    if (s.outcomes.size() > 1 && s.single_notes.empty()) break;
    std::string text;
    for (auto& note : notes) {
      if (note.first == o.number) text = std::move(note.second);
    }
    std::erase_if(notes, [&](const auto& note) { return note.first == o.number; });
    command.arg(fmt::format("{}", o.number)).arg(to_string(o.outcome)).number(o.code).arg(text);
  }
  for (const auto& [number, text] : notes) {
    command.arg(fmt::format("{}", number)).arg("deferred").number(code_of(text)).arg(text);
  }
}

Command settle_command(const Settlement& s, int64_t wheel) {
  uint64_t by_outcome[6] = {};
  for (const FinalOutcome& o : s.outcomes) ++by_outcome[static_cast<size_t>(o.outcome)];
  Command command = Command::function("volley1_settle", partition_key(s.partition));
  command.number(static_cast<int64_t>(s.epoch))
      .number(static_cast<int64_t>(s.lease))
      .number(s.sequence);
  command.arg(s.close ? "1" : "0").number(s.ready_in_ms).number(wheel);
  for (const Outcome o :
       {Outcome::kDelivered, Outcome::kBounced, Outcome::kExpired, Outcome::kSuppressed}) {
    command.number(static_cast<int64_t>(by_outcome[static_cast<size_t>(o)]));
  }
  command.number(s.deferrals).arg(encode_outcomes(s.outcomes)).arg(s.done).arg(s.remainder);
  command.number(static_cast<int64_t>(s.retries.size()));
  command.number(static_cast<int64_t>(s.kept.size()));
  for (const Retry& retry : s.retries) command.number(retry.delay_ms).arg(retry.chunk);
  for (const Kept& kept : s.kept)
    command.arg(kept.outcome == Outcome::kBounced ? "b" : "e").arg(kept.chunk);
  add_single_notes(command, s);
  return command;
}

}  // namespace

void Door::Impl::know_leases(uint32_t partition, const ReplyView& chunks) {
  uint64_t& last = last_lease[partition];
  for (size_t i = 0; i < chunks.size(); ++i)
    last = std::max(last, chunks.at(i).at(0).unsigned_number());
}

void Door::own(uint32_t partition, uint64_t epoch, int64_t ttl_ms,
               std::function<void(Result<Lease>)> done) {
  Command command = Command::function("volley1_own", partition_key(partition));
  command.arg(impl_->engine).number(static_cast<int64_t>(epoch)).number(ttl_ms);
  impl_->connection.call(command, [done = std::move(done)](Result<Reply> answer) {
    if (!answer) return done(answer.error());
    const ReplyView view = answer->view();
    done(Lease{view.at(0).unsigned_number(), std::string(view.at(1).text())});
  });
}

void Door::release(uint32_t partition, uint64_t epoch, std::function<void(Status)> done) {
  Command command = Command::function("volley1_release", partition_key(partition));
  command.number(static_cast<int64_t>(epoch));
  impl_->connection.call(
      command, [done = std::move(done)](Result<Reply> answer) { done(to_status(answer)); });
}

void Door::recover(uint32_t partition, uint64_t epoch,
                   std::function<void(Result<std::vector<Claimed>>)> done) {
  Command command = Command::function("volley1_recover", partition_key(partition));
  command.number(static_cast<int64_t>(epoch)).number(static_cast<int64_t>(++impl_->token));
  Impl* impl = impl_.get();
  impl->in_turn(partition, [impl, partition, command = std::move(command),
                            done = std::move(done)]() mutable {
    impl->connection.call(command, [impl, partition, done = std::move(done)](Result<Reply> answer) {
      impl->turn_over(partition);
      if (!answer) return done(answer.error());
      impl->know_leases(partition, answer->view());
      done(to_claimed_list(answer->view()));
    });
  });
}

void Door::parked(uint32_t partition, std::function<void(Result<std::vector<uint64_t>>)> done) {
  impl_->connection.call(Command("HKEYS").arg(partition_key(partition, "dead")),
                         [done = std::move(done)](Result<Reply> answer) {
                           if (!answer) return done(answer.error());
                           std::vector<uint64_t> leases;
                           const ReplyView list = answer->view();
                           for (size_t i = 0; i < list.size(); ++i)
                             leases.push_back(list.at(i).unsigned_number());
                           done(std::move(leases));
                         });
}

void Door::claim(const ClaimRequest& request, std::function<void(Result<ClaimReply>)> done) {
  Impl* impl = impl_.get();
  impl->in_turn(request.partition, [impl, request, done = std::move(done)]() mutable {
    const uint32_t partition = request.partition;
    Command command = Command::function("volley1_claim", partition_key(partition));
    command.number(static_cast<int64_t>(request.epoch)).number(static_cast<int64_t>(++impl->token));
    command.number(request.max_chunks).number(request.max_bytes);
    command.arg(request.transactional_only ? "t" : "");
    command.number(static_cast<int64_t>(impl->last_lease[partition]));
    for (const Destination& wanted : request.wanted) {
      command.arg(lane_tenant(wanted.lane, wanted.tenant)).arg(wanted.domain);
    }
    impl->connection.call(command, [impl, partition, done = std::move(done)](Result<Reply> answer) {
      if (answer) impl->know_leases(partition, answer->view().at(1));
      impl->turn_over(partition);
      if (!answer) return done(answer.error());
      const ReplyView view = answer->view();
      done(ClaimReply{to_claimed_list(view.at(1)), view.at(0).number()});
    });
  });
}

void Door::settle(const Settlement& settlement, std::function<void(Result<SettleResult>)> done) {
  const Command command = settle_command(settlement, impl_->retry_wheel_ms);
  impl_->connection.call(command, [done = std::move(done)](Result<Reply> answer) {
    if (!answer) return done(answer.error());
    const int64_t result = answer->view().number();
    done(result == 0   ? SettleResult::kApplied
         : result == 1 ? SettleResult::kAlreadyApplied
                       : SettleResult::kFenced);
  });
}

void Door::ready(uint32_t partition, uint64_t epoch, const Destination& destination,
                 int64_t in_ms) {
  Command command = Command::function("volley1_ready", partition_key(partition));
  command.number(static_cast<int64_t>(epoch))
      .arg(lane_tenant(destination.lane, destination.tenant));
  command.arg(destination.domain).number(in_ms);
  impl_->connection.call(command, {});
}

}  // namespace volley::queue
