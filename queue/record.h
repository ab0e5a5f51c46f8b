// What may happen to a campaign record: the legal edges of its state, as pure functions.
//
// Purpose  Shared by the blocking and the asynchronous door, which compare and set what these return.
//          Removing one: begin_purge() or begin_blot() marks it, which whoever would bring it back is told by compare and set; then its
//          mail and outcomes go; last the record, or by end_blot() the mark. One that dies in between leaves the mark, and is repeated.
// Thread   Pure. Errors kData naming the state when an edge is not legal.
#pragma once

#include <string_view>

#include "queue/campaign.h"

namespace volley::queue {

bool may_send(const Campaign& campaign);
// kData: it is being purged; the functions below ask that themselves.
Status check_stays(const Campaign& campaign);

inline constexpr std::string_view kBeingPurged = "being purged";
// kData: it is not finished or cancelled.
Result<bool> begin_purge(Campaign& campaign);
Result<bool> begin_blot(Campaign& campaign);
Result<bool> end_blot(Campaign& campaign, int64_t now_ms);

// What a partition is told: "running" for everything that may send.
std::string_view partition_state(const Campaign& campaign);

// True: changed; false: it is so already.
Result<bool> change_state(Campaign& campaign, CampaignState to, std::string_view reason,
                          int64_t now_ms);
// A new generation, for recipients that failed; unless it is paused anyway, it is, for kTryingAgain, until they are queued.
inline constexpr std::string_view kTryingAgain = "queueing those that are tried again";
Result<bool> reopen(Campaign& campaign);
// Other content for whoever was not sent to yet; only while it is paused. kData: it is not.
Result<bool> replace_content(Campaign& campaign, std::string_view fingerprint,
                             std::string_view from_domain, bool sign);
// The canary is out: pause until somebody has looked at what became of it.
Result<bool> await_approval(Campaign& campaign, int64_t now_ms);
// All of the list was in the queue, and nothing of it is left to do.
bool may_finish(const Campaign& campaign);
// What was counted of it at `revision` is nothing: it is finished, unless it has changed meanwhile.
Result<bool> finish(Campaign& campaign, uint64_t revision, int64_t now_ms);
// Lets a canary's campaign go on; before its canary is out, without stopping there.
Result<bool> approve(Campaign& campaign, int64_t now_ms);
Result<bool> close_list(Campaign& campaign, uint64_t epoch, int64_t now_ms);

}  // namespace volley::queue
