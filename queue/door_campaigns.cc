#include <fmt/format.h>

#include "base/log.h"
#include "queue/door_impl.h"
#include "queue/keys.h"
#include "queue/pack.h"
#include "queue/record.h"
#include "queue/schedule.h"
#include "queue/store_impl.h"

namespace volley::queue {

namespace {

constexpr uint64_t kMaxContent = uint64_t{256} << 20;

using Text = std::function<void(Result<std::string>)>;

Command record_command(std::string_view id) {
  return Command("HGET").arg(campaign_key(id, "rec")).arg("json");
}

// Several answers that are wanted together; those of one connection come in order, so the last one ends it.
struct Gather {
  std::vector<Result<Reply>> answers;
  size_t left = 0;
};

void call_all(AsyncConnection& connection, const std::vector<Command>& commands,
              const std::function<void(Result<std::vector<Reply>>)>& done) {
  auto gather = std::make_shared<Gather>();
  gather->left = commands.size();
  for (const Command& command : commands) {
    connection.call(command, [gather, done](Result<Reply> answer) {
      gather->answers.push_back(std::move(answer));
      if (--gather->left > 0) return;
      std::vector<Reply> all;
      for (auto& one : gather->answers) {
        if (!one) return done(one.error());
        all.push_back(std::move(*one));
      }
      done(std::move(all));
    });
  }
}

}  // namespace

void Door::Impl::read_record(const std::string& id, std::function<void(Result<Campaign>)> done) {
  connection.call(record_command(id), [id, done = std::move(done)](Result<Reply> answer) {
    if (!answer) return done(answer.error());
    if (answer->view().is_nil())
      return done(Error{Errc::kData, fmt::format("no campaign is called '{}'", id)});
    done(Campaign::from_json(answer->view().text()));
  });
}

void Door::Impl::update(const std::string& id, Change change, std::function<void(Status)> done) {
  read_record(id, [this, id, change = std::move(change),
                   done = std::move(done)](Result<Campaign> campaign) {
    if (!campaign) return done(campaign.error());
    const uint64_t revision = campaign->revision;
    auto changed = change(*campaign, connection.server_now_ms());
    if (!changed) return done(changed.error());
    if (!*changed) return done({});
    campaign->revision = revision + 1;
    Command put = Command::function("volley1_put", campaign_key(id));
    put.number(static_cast<int64_t>(revision)).arg(campaign->to_json()).arg(random_bytes(16));
    call_all(connection, {put, Command::function("volley1_changed", global_key())},
             [this, id, change, done](Result<std::vector<Reply>> answers) {
               if (!answers) return done(answers.error());
               if ((*answers)[0].view().number() == 1) return done({});
               update(id, change, done);  // somebody was faster
             });
  });
}

void Door::Impl::apply(uint32_t partition, const Command& command,
                       std::function<void(Status)> done) {
  connection.call(command,
                  [this, partition, command, done = std::move(done)](Result<Reply> answer) {
                    if (!answer) return done(answer.error());
                    if (answer->view().number() == 0) return done({});
                    apply(partition, command, done);  // a bounded step each
                  });
}

void Door::apply(uint32_t partition, uint64_t epoch, const Campaign& campaign,
                 std::function<void(Status)> done) {
  Command command = Command::function("volley1_apply", partition_key(partition));
  command.number(static_cast<int64_t>(epoch))
      .arg(campaign.id)
      .arg(lane_tenant(campaign.lane, campaign.tenant));
  command.number(static_cast<int64_t>(campaign.revision))
      .arg(partition_state(campaign))
      .number(campaign.weight);
  impl_->apply(partition, command, std::move(done));
}

void Door::global_revision(std::function<void(Result<uint64_t>)> done) {
  impl_->connection.call(Command("GET").arg(global_key("rev")),
                         [done = std::move(done)](Result<Reply> answer) {
                           if (!answer) return done(answer.error());
                           done(answer->view().unsigned_number());
                         });
}

void Door::campaigns(std::function<void(Result<std::vector<Campaign>>)> done) {
  const Command ids = Command("ZRANGE").arg(global_key("campaigns")).arg("0").arg("-1");
  impl_->connection.call(ids, [impl = impl_.get(), done = std::move(done)](Result<Reply> answer) {
    if (!answer) return done(answer.error());
    std::vector<Command> commands;
    for (size_t i = 0; i < answer->view().size(); ++i)
      commands.push_back(record_command(answer->view().at(i).text()));
    if (commands.empty()) return done(std::vector<Campaign>());
    call_all(impl->connection, commands, [done](Result<std::vector<Reply>> records) {
      if (!records) return done(records.error());
      std::vector<Campaign> out;
      for (const Reply& record : *records) {
        if (record.view().is_nil()) continue;
        auto campaign = Campaign::from_json(record.view().text());
        if (!campaign) {
          // One that a newer Volley wrote must not keep the others from being steered.
          log_warn("campaign record left alone: " + campaign.error().message);
          continue;
        }
        out.push_back(std::move(*campaign));
      }
      done(std::move(out));
    });
  });
}

void Door::campaign(std::string_view id, std::function<void(Result<Campaign>)> done) {
  impl_->read_record(std::string(id), std::move(done));
}

namespace {

void get_packed(AsyncConnection& connection, const std::string& key, std::string what, Text done) {
  connection.call(Command("GET").arg(key),
                  [what = std::move(what), done = std::move(done)](Result<Reply> answer) {
                    if (!answer) return done(answer.error());
                    if (answer->view().is_nil())
                      return done(Error{Errc::kData, what + " is not in the queue"});
                    done(unpack(answer->view().text(), kMaxContent));
                  });
}

}  // namespace

void Door::content(std::string_view id, Text done) {
  get_packed(impl_->connection, campaign_key(id, "content"),
             fmt::format("the content of campaign {}", id), std::move(done));
}

void Door::content_ref(uint32_t partition, std::string_view ref, Text done) {
  get_packed(impl_->connection, partition_key(partition, fmt::format("x:{}", ref)),
             fmt::format("the content of message {}", ref), std::move(done));
}

void Door::suppressions(std::string_view id, Text done) {
  impl_->connection.call(Command("GET").arg(campaign_key(id, "sup")),
                         [done = std::move(done)](Result<Reply> answer) {
                           if (!answer) return done(answer.error());
                           done(std::string(answer->view().text()));
                         });
}

void Door::set_state(std::string_view id, CampaignState to, std::string_view reason,
                     std::function<void(Status)> done) {
  impl_->update(
      std::string(id),
      [to, why = std::string(reason)](Campaign& c, int64_t now) {
        return change_state(c, to, why, now);
      },
      std::move(done));
}

void Door::keep_schedule(std::string_view id, std::function<void(Status)> done) {
  impl_->update(
      std::string(id),
      [](Campaign& c, int64_t now) -> Result<bool> { return queue::keep_schedule(c, now); },
      std::move(done));
}

void Door::await_approval(std::string_view id, std::function<void(Status)> done) {
  impl_->update(
      std::string(id), [](Campaign& c, int64_t now) { return queue::await_approval(c, now); },
      std::move(done));
}

void Door::grant(std::string_view id, uint64_t wanted, uint64_t limit, uint64_t left,
                 std::function<void(Result<Grant>)> done) {
  Command command = Command::function("volley1_grant", campaign_key(id));
  command.arg(impl_->engine).arg(fmt::format("{:02x}", fmt::join(random_bytes(16), "")));
  command.number(static_cast<int64_t>(wanted)).number(static_cast<int64_t>(limit));
  command.number(static_cast<int64_t>(left));
  impl_->connection.call(command, [done = std::move(done)](Result<Reply> answer) {
    if (!answer) return done(answer.error());
    done(Grant{answer->view().at(0).unsigned_number(), answer->view().at(1).number() == 1});
  });
}

void Door::Impl::counts(const std::string& id, std::function<void(Result<Counts>)> done) {
  connection.call(Command("HGET").arg(global_key("meta")).arg("partitions"),
                  [this, id, done = std::move(done)](Result<Reply> answer) {
                    if (!answer) return done(answer.error());
                    std::vector<Command> commands;
                    for (int64_t p = 0; p < answer->view().number(); ++p) {
                      commands.push_back(counts_command(static_cast<uint32_t>(p), id));
                    }
                    if (commands.empty())
                      return done(Error{Errc::kData, "the queue has no meta record"});
                    call_all(connection, commands, [done](Result<std::vector<Reply>> all) {
                      if (!all) return done(all.error());
                      Counts total;
                      for (const Reply& fields : *all) total += counts_of(fields.view(), false);
                      done(total);
                    });
                  });
}

void Door::finish_if_done(std::string_view name, std::function<void(Status)> done) {
  Impl* impl = impl_.get();
  const std::string id(name);
  impl->read_record(id, [impl, id, done = std::move(done)](Result<Campaign> campaign) {
    if (!campaign) return done(campaign.error());
    if (!may_finish(*campaign)) return done({});
    impl->counts(id, [impl, id, revision = campaign->revision, done](Result<Counts> total) {
      if (!total) return done(total.error());
      if (total->queued != 0) return done({});
      impl->update(
          id, [revision](Campaign& c, int64_t now) { return finish(c, revision, now); }, done);
    });
  });
}

}  // namespace volley::queue
