// The whole engine: real queue, real sockets, threads of its own.
#include "engine/delivery/engine.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/delivery/event_of.h"
#include "tests/unit/delivery/owner_bench.h"
#include "tests/unit/delivery/smtp_peer.h"

namespace volley::delivery {
namespace {

using namespace testing;

// Everything an engine needs besides the queue.
struct EngineLife {
  EngineLife(const queue::QueueUrl& url, const std::string& key, const std::string& directory,
             uint16_t port, unsigned loops, uint32_t connections) {
    auto log = metrics::EventLog::open({directory + "/events.jsonl"});
    EXPECT_TRUE(log.ok());
    events = std::move(*log);
    Settings settings;
    settings.loops = loops;
    settings.hostname = "mail.example.com";
    settings.data_directory = directory;
    settings.connections_cap = connections;
    settings.retry_wheel = std::chrono::milliseconds(1);
    settings.routes = {Route{"*", "127.0.0.1", port}};
    auto started =
        Engine::start(settings, url, "engine-a", key, kPartitions, keys, registry, *events);
    EXPECT_TRUE(started.ok());
    engine = std::move(*started);
  }
  message::DkimKeyRing keys;
  metrics::Registry registry;
  std::unique_ptr<metrics::EventLog> events;
  std::unique_ptr<Engine> engine;
};

class EngineTest : public OwnerTest {
 protected:
  std::unique_ptr<EngineLife> life(unsigned loops, uint32_t connections) {
    return std::make_unique<EngineLife>(redis.url(), store->dedupe_key(), directory.path(),
                                        peer.port(), loops, connections);
  }
  // The engine works on its own threads: look now and then, with a deadline only a broken test meets.
  [[nodiscard]] static bool until(const std::function<bool()>& so) {
    const TimePoint deadline = monotonic_now() + std::chrono::seconds(60);
    while (!so()) {
      if (monotonic_now() > deadline) return false;
      ::poll(nullptr, 0, 2);
    }
    return true;
  }
  queue::CampaignState state(const std::string& id) {
    auto record = store->find(id);
    EXPECT_TRUE(record.ok() && record->has_value());
    return (*record)->state;
  }
  size_t journals() const {
    size_t n = 0;
    for (const auto& e : std::filesystem::directory_iterator(directory.path() + "/journal")) {
      n += e.path().extension() == ".journal";
    }
    return n;
  }
  static std::vector<std::string> domains(unsigned count) {
    std::vector<std::string> names;
    for (unsigned i = 0; i < count; ++i) names.push_back("d" + std::to_string(i) + ".example.com");
    return names;
  }

  SmtpPeer peer;
};

TEST_F(EngineTest, TwoLoopsAndOneConnectionFinishManyDomains) {
  import_campaign(*store, "november", domains(40), 10);
  auto l = life(2, 1);
  ASSERT_TRUE(until([&] { return state("november") == queue::CampaignState::kFinished; }));
  EXPECT_EQ(counts_of(*store, "november").delivered, 400u);
  const auto inbox_now = peer.inbox();
  EXPECT_EQ(inbox_now.size(), 400u);
  for (const auto& [address, times] : inbox_now) EXPECT_EQ(times, 1u) << address;
  EXPECT_EQ(peer.most_connections(), 1u);

  // Each loop reports once a second, and the campaign may be over before.
  nlohmann::json status;
  ASSERT_TRUE(until([&] {
    const std::string text = l->engine->status_json();
    status = nlohmann::json::parse(text);
    return text.find("127.0.0.1") != std::string::npos &&
           status["partitions"]["owned"] == kPartitions && status["queue"]["connected"] == true;
  }));
  EXPECT_EQ(status["engine"], "engine-a");
  EXPECT_EQ(status["loops"].size(), 2u);
  ASSERT_TRUE(until([&] {
    auto engines = store->engines();
    return engines.ok() && engines->size() == 1 &&
           (*engines)[0].json.find("sites") != std::string::npos;
  }));

  ASSERT_TRUE(l->engine->drain(std::chrono::seconds(30)));
  auto last = store->engines();
  ASSERT_TRUE(last.ok() && last->size() == 1);
  EXPECT_EQ(nlohmann::json::parse((*last)[0].json)["state"], "stopped");
  EXPECT_EQ(l->registry.total(metrics::Metric::kDeliveredBulk), 400u);
  EXPECT_EQ(l->registry.total(metrics::Metric::kRecipientsInMemory), 0u);
  l.reset();
  EXPECT_EQ(journals(), 0u) << "all settled, all logged";
  std::ifstream log(directory.path() + "/events.jsonl");
  std::set<std::string> ids;
  for (std::string line; std::getline(log, line);) ids.insert(nlohmann::json::parse(line)["id"]);
  EXPECT_EQ(ids.size(), 400u);
}

TEST_F(EngineTest, PausedWhileSendingItStopsAndGoesOnWhenResumed) {
  import_campaign(*store, "november", domains(10), 400);
  auto l = life(2, 2);
  ASSERT_TRUE(until([&] { return peer.messages() > 100; }));
  ASSERT_TRUE(store->set_state("november", queue::CampaignState::kPaused, "lunch").ok());
  l->engine->wake();
  ASSERT_TRUE(until([&] { return counts_of(*store, "november").in_flight == 0; }));
  const size_t then = peer.messages();
  EXPECT_EQ(counts_of(*store, "november").delivered, then);
  ASSERT_TRUE(store->set_state("november", queue::CampaignState::kRunning, "").ok());
  l->engine->wake();
  ASSERT_TRUE(until([&] { return state("november") == queue::CampaignState::kFinished; }));
  for (const auto& [address, times] : peer.inbox()) EXPECT_EQ(times, 1u) << address;
  EXPECT_EQ(peer.inbox().size(), 4000u);
}

TEST_F(EngineTest, DrainedInTheMiddleItLosesNothing) {
  import_campaign(*store, "november", domains(10), 400);
  {
    auto l = life(2, 4);
    ASSERT_TRUE(until([&] { return peer.messages() > 200; }));
    ASSERT_TRUE(l->engine->drain(std::chrono::seconds(30)));
    EXPECT_EQ(counts_of(*store, "november").in_flight, 0u);
    EXPECT_EQ(counts_of(*store, "november").delivered, peer.messages());
  }
  EXPECT_EQ(journals(), 0u);
  auto l = life(1, 4);
  ASSERT_TRUE(until([&] { return state("november") == queue::CampaignState::kFinished; }));
  for (const auto& [address, times] : peer.inbox()) EXPECT_EQ(times, 1u) << address;
  EXPECT_EQ(peer.inbox().size(), 4000u);
}

// The queue's clock reaches the sites: a retry that would come too late is made when its time is up, and is the last.
TEST_F(EngineTest, GivesUpBeforeTheFirstRetryIsDue) {
  peer.defer_all();
  import_campaign(*store, "november", domains(3), 5, "Hello {{name}}", 3'600'000);
  ASSERT_TRUE(
      store->edit("november", [](queue::Campaign& c) { c.retry.give_up_after_ms = 300; }).ok());
  auto l = life(2, 2);
  ASSERT_TRUE(until([&] { return state("november") == queue::CampaignState::kFinished; }));
  const queue::Counts c = counts_of(*store, "november");
  EXPECT_EQ(c.expired, 15u);
  EXPECT_EQ(c.queued, 0u);
  EXPECT_EQ(c.deferrals, 15u);
  EXPECT_EQ(peer.deferrals(), 30u) << "the first attempt and the last";
  EXPECT_EQ(peer.messages(), 0u);
}

// While the disk is full nothing is sent whose outcome could not be written down.
TEST_F(EngineTest, AFullDiskHoldsSendingUntilThereIsRoom) {
  ::signal(SIGXFSZ, SIG_IGN);
  import_campaign(*store, "november", domains(10), 400);
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit tight = before;
  tight.rlim_cur = 100'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  auto l = life(1, 4);
  const bool held =
      until([&] { return l->engine->status_json().find("cannot write") != std::string::npos; });
  EXPECT_LT(peer.messages(), 4000u);
  const std::string trouble = l->engine->trouble();
  EXPECT_EQ(trouble.find("journal: cannot write "), 0u) << trouble;
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_TRUE(held);
  ASSERT_TRUE(until([&] { return state("november") == queue::CampaignState::kFinished; }));
  EXPECT_EQ(l->engine->status_json().find("cannot write"), std::string::npos);
  EXPECT_EQ(l->engine->trouble(), "");
  for (const auto& [address, times] : peer.inbox()) EXPECT_EQ(times, 1u) << address;
  EXPECT_EQ(peer.inbox().size(), 4000u);
}

TEST_F(EngineTest, DrainingDoesNotWaitForAFullDisk) {
  ::signal(SIGXFSZ, SIG_IGN);
  import_campaign(*store, "november", domains(10), 400);
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit tight = before;
  tight.rlim_cur = 100'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  auto l = life(1, 4);
  const bool held = until([&] { return !l->engine->trouble().empty(); });
  EXPECT_FALSE(held && l->engine->drain(std::chrono::hours(1)));
  l.reset();
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_TRUE(held);
}

TEST(EventOf, NamesTheMessageAsTheApiDid) {
  Record record;
  record.campaign = "november";
  record.number = 42;
  record.partition = 7;
  record.attempt = 3;
  EXPECT_EQ(to_event(record).id, "november.42");
  EXPECT_EQ(to_event(record).attempt, 3u);
  record.campaign = queue::kSingleMessages;
  EXPECT_EQ(to_event(record).id, queue::single_message_id(42, 7));
}

// The child of the test below: an engine until it is killed.
TEST(EngineChild, SendsUntilItIsKilled) {
  const char* socket = ::getenv("VOLLEY_TEST_SOCKET");
  if (socket == nullptr) GTEST_SKIP() << "only run by KilledAtAnyMoment";
  queue::QueueUrl url;
  url.unix_socket = true;
  url.host_or_path = socket;
  auto store = queue::Store::open(url, kPartitions, true);
  ASSERT_TRUE(store.ok());
  EngineLife life(url, (*store)->dedupe_key(), ::getenv("VOLLEY_TEST_DIRECTORY"),
                  static_cast<uint16_t>(::atoi(::getenv("VOLLEY_TEST_PORT"))), 2, 4);
  for (;;) ::pause();
}

TEST_F(EngineTest, KilledAtAnyMomentItForgetsNobodyAndRepeatsFewerThanItHasConnections) {
  import_campaign(*store, "november", domains(10), 400);
  const std::string socket = "VOLLEY_TEST_SOCKET=" + redis.url().host_or_path;
  const std::string data = "VOLLEY_TEST_DIRECTORY=" + directory.path();
  const std::string port = "VOLLEY_TEST_PORT=" + std::to_string(peer.port());
  constexpr unsigned kKills = 3;
  for (unsigned kill = 0; kill < kKills; ++kill) {
    const size_t before = peer.messages();
    std::vector<std::string> args = {"/proc/self/exe", "--gtest_filter=EngineChild.*"};
    std::vector<std::string> environment = {socket, data, port};
    for (char** e = environ; *e != nullptr; ++e) environment.emplace_back(*e);
    std::vector<char*> argv, envp;
    for (auto& a : args) argv.push_back(a.data());
    for (auto& e : environment) envp.push_back(e.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    pid_t child = 0;
    ASSERT_EQ(::posix_spawn(&child, argv[0], nullptr, nullptr, argv.data(), envp.data()), 0);
    EXPECT_TRUE(until([&] { return peer.messages() > before + 300 + kill * 77; }));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  auto l = life(2, 4);
  ASSERT_TRUE(until([&] { return state("november") == queue::CampaignState::kFinished; }));
  EXPECT_EQ(counts_of(*store, "november").delivered, 4000u);
  const auto received = peer.inbox();
  EXPECT_EQ(received.size(), 4000u);
  unsigned repeated = 0;
  for (const auto& [address, times] : received) repeated += times - 1;
  // Per kill: what each connection had on the wire, two deep.
  EXPECT_LE(repeated, kKills * 4 * 2);
  ASSERT_TRUE(l->engine->drain(std::chrono::seconds(30)));
  l.reset();
  EXPECT_EQ(journals(), 0u);
}

}  // namespace
}  // namespace volley::delivery
