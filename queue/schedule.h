// When a campaign may send: start, end, hours of the week.
//
// Purpose  keep_schedule() moves a campaign between running and scheduled as the clock demands; every engine does that once a
//          second, whoever is first. Loops ask is_shut() themselves twice a second meanwhile.
// Rules    A start that was missed by more than an hour, because no engine ran, pauses: nobody expects a newsletter of
//          Friday evening on Monday. A window that opened meanwhile is just open. After the end, what is left is cancelled.
//          Windows and the end bind retries, too.
// Units    The queue's milliseconds. Thread: pure. A window that cannot be read (tzdata is gone) is shut.
#pragma once

#include <string>

#include "base/result.h"
#include "queue/campaign.h"

namespace volley::queue {

inline constexpr int64_t kMissedByMs = int64_t{3600} * 1000;

bool is_shut(const Campaign& campaign, int64_t now_ms);
// The first moment, from now on, at which it is not shut; 0: never again.
int64_t opens_at(const Campaign& campaign, int64_t now_ms);
// "opens Mon 2026-11-30 09:00 Europe/Paris"; why it does not, otherwise.
std::string when_it_opens(const Campaign& campaign, int64_t now_ms);
// kData: its end has come, so it cannot run.
Status check_not_ended(const Campaign& campaign, int64_t now_ms);
// kData: a window that cannot be read, an end before the start, or no opening before the end.
Status check_schedule(const Campaign& campaign, int64_t now_ms);

bool same_schedule(const Campaign& a, const Campaign& b);
// After it was given another schedule.
void follow_schedule(Campaign& campaign, int64_t now_ms);
// True: the record was changed.
bool keep_schedule(Campaign& campaign, int64_t now_ms);

}  // namespace volley::queue
