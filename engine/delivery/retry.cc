#include "engine/delivery/retry.h"

#include <algorithm>

namespace volley::delivery {
namespace {

constexpr int64_t kDoubt = 30LL * 60 * 1000;
constexpr int64_t kDoubtFactor = 6;
constexpr Duration kFirstBackoff = std::chrono::seconds(1);
constexpr Duration kLongestBackoff = std::chrono::seconds(60);

int64_t jittered(int64_t ms, Random& random) {
  return std::max<int64_t>(
      1, static_cast<int64_t>(static_cast<double>(ms) * (0.85 + 0.3 * random.unit())));
}

int64_t exponential(const queue::RetryPolicy& policy, uint32_t attempt) {
  const int64_t first = std::max<int64_t>(1, policy.first_delay_ms);
  const int64_t longest = std::max(first, policy.max_delay_ms);
  const uint32_t doublings = attempt > 0 ? attempt - 1 : 0;
  if (doublings >= 40 || first > (longest >> doublings)) return longest;
  return first << doublings;
}

int64_t to_ms(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

}  // namespace

int64_t retry_delay_ms(const queue::RetryPolicy& policy, uint32_t attempt, Duration hint,
                       Random& random) {
  const int64_t longest = std::max(policy.first_delay_ms, policy.max_delay_ms);
  const int64_t least = std::min(to_ms(hint), longest);
  return std::max(jittered(exponential(policy, attempt), random), least);
}

int64_t greylist_delay_ms(const queue::RetryPolicy& policy, Duration hint, Random& random) {
  return retry_delay_ms(policy, 1, hint, random);
}

int64_t in_doubt_delay_ms(const queue::RetryPolicy& policy, uint32_t attempt, Random& random) {
  const int64_t least =
      std::max(policy.first_delay_ms, std::min(kDoubt, kDoubtFactor * policy.first_delay_ms));
  return std::max(least, jittered(exponential(policy, attempt), random));
}

Duration connect_backoff(uint32_t failures, Random& random) {
  const uint32_t doublings = std::min(failures > 0 ? failures - 1 : 0, 6u);
  const Duration plain = std::min(kFirstBackoff * (1 << doublings), kLongestBackoff);
  return std::chrono::milliseconds(jittered(to_ms(plain), random));
}

}  // namespace volley::delivery
