#include "base/net/work_pool.h"

#include <uv.h>

#include <cassert>
#include <memory>
#include <utility>

#include "base/net/loop.h"

namespace volley::net {
namespace {

struct Job {
  uv_work_t request{};
  Loop* loop = nullptr;
  std::function<void()> work;
  std::function<void()> done;
};

}  // namespace

void WorkPool::submit(Loop& loop, std::function<void()> work, std::function<void()> done) {
  assert(!loop.closing());
  auto* job = new Job;
  job->loop = &loop;
  job->work = std::move(work);
  job->done = std::move(done);
  job->request.data = job;
  loop.work_started();
  uv_queue_work(
      loop.uv(), &job->request,
      [](uv_work_t* request) { std::exchange(static_cast<Job*>(request->data)->work, nullptr)(); },
      [](uv_work_t* request, int) {
        const std::unique_ptr<Job> finished(static_cast<Job*>(request->data));
        finished->loop->work_finished();
        if (!finished->loop->closing() && finished->done) finished->done();
      });
}

}  // namespace volley::net
