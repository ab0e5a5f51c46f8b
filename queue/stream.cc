#include "queue/stream.h"

#include <fmt/format.h>

namespace volley::queue {

namespace {

int64_t milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

Command group_command(std::string_view name, const std::string& consumer) {
  Command command(name);
  command.arg("GROUP").arg(kIntakeGroup).arg(consumer);
  return command;
}

void add_fields(Command& command, std::span<const StreamField> fields) {
  for (const auto& [name, value] : fields) command.arg(name).arg(value);
}

// [[key, [[id, [name, value, ...]], ...]]], or nil when there is nothing.
IntakeBatch batch_of(Reply reply) {
  IntakeBatch batch;
  const ReplyView entries = reply.view().at(0).at(1);
  for (size_t i = 0; i < entries.size(); ++i) {
    IntakeEntry entry;
    entry.id = entries.at(i).at(0).text();
    const ReplyView fields = entries.at(i).at(1);
    for (size_t f = 0; f + 1 < fields.size(); f += 2) {
      entry.fields.emplace_back(fields.at(f).text(), fields.at(f + 1).text());
      entry.bytes += entry.fields.back().first.size() + entry.fields.back().second.size();
    }
    batch.entries.push_back(std::move(entry));
  }
  batch.reply = std::move(reply);
  return batch;
}

}  // namespace

IntakeStream::IntakeStream(QueueUrl url, bool memory_durability, std::string consumer)
    : link_(std::move(url), memory_durability), consumer_(std::move(consumer)) {}

// The group is made when it is missed, not at the start: a full Redis refuses to make one even where it exists.
Result<Reply> IntakeStream::run_in_group(const Command& command) {
  auto answer = link_.run(command);
  if (answer || answer.error().message.find("NOGROUP") == std::string::npos) return answer;
  Command create("XGROUP");
  create.arg("CREATE").arg(kIntakeStream).arg(kIntakeGroup).arg("0").arg("MKSTREAM");
  auto created = link_.run(create);
  if (!created && created.error().message.find("BUSYGROUP") == std::string::npos) return created;
  return link_.run(command);
}

Result<IntakeBatch> IntakeStream::read(const Command& command) {
  auto answer = run_in_group(command);
  if (!answer) return answer.error();
  return batch_of(std::move(*answer));
}

Result<IntakeBatch> IntakeStream::pending(size_t count) {
  Command command = group_command("XREADGROUP", consumer_);
  command.arg("COUNT").number(static_cast<int64_t>(count));
  return read(command.arg("STREAMS").arg(kIntakeStream).arg("0"));
}

Result<IntakeBatch> IntakeStream::next(size_t count, Duration wait) {
  Command command = group_command("XREADGROUP", consumer_);
  command.arg("COUNT").number(static_cast<int64_t>(count));
  // BLOCK 0 would wait for ever.
  if (const int64_t ms = milliseconds(wait); ms > 0) command.arg("BLOCK").number(ms);
  return read(command.arg("STREAMS").arg(kIntakeStream).arg(">"));
}

Result<size_t> IntakeStream::claim_idle(Duration idle, size_t count) {
  Command command("XAUTOCLAIM");
  command.arg(kIntakeStream).arg(kIntakeGroup).arg(consumer_).number(milliseconds(idle));
  command.arg(cursor_).arg("COUNT").number(static_cast<int64_t>(count)).arg("JUSTID");
  auto answer = run_in_group(command);
  if (!answer) return answer.error();
  cursor_ = answer->view().at(0).text();
  if (cursor_.empty()) cursor_ = "0-0";
  return answer->view().at(1).size();
}

Status IntakeStream::park(std::span<const StreamField> fields) {
  Command command("XADD");
  command.arg(kIntakeParked).arg("*");
  add_fields(command, fields);
  auto done = link_.run(command);
  return done ? Status() : done.error();
}

Status IntakeStream::publish(std::span<const std::vector<StreamField>> results) {
  std::vector<Command> commands;
  commands.reserve(results.size());
  for (const std::vector<StreamField>& fields : results) {
    Command& command = commands.emplace_back("XADD");
    command.arg(kIntakeResults).arg("MAXLEN").arg("~").number(kIntakeResultsKept).arg("*");
    add_fields(command, fields);
  }
  if (commands.empty()) return {};
  auto done = link_.run(commands);
  return done ? Status() : done.error();
}

// Deleted first, and acknowledged only when that is done: what is deleted and pending is read again as an entry without fields,
// and settled again. The other way round it would be an entry that nobody ever reads.
Status IntakeStream::settle(std::span<const std::string_view> ids) {
  if (ids.empty()) return {};
  Command remove("XDEL"), acknowledge("XACK");
  remove.arg(kIntakeStream);
  acknowledge.arg(kIntakeStream).arg(kIntakeGroup);
  for (const std::string_view id : ids) {
    remove.arg(id);
    acknowledge.arg(id);
  }
  if (auto done = link_.run(remove); !done) return done.error();
  auto done = link_.run(acknowledge);
  return done ? Status() : done.error();
}

}  // namespace volley::queue
