// `volley send --proof ADDRESS [--row N]`: one real message, rendered for row N, sent to ADDRESS, counted nowhere.
//
// Purpose  Goes the whole way (queue, DNS or route, SMTP, signature) as a campaign of its own that is purged afterwards; it never
//          touches the campaign that it is a proof of.
// Errors   Exit code 0 delivered, 75 deferred or not answered within two minutes, 65 refused; the reply is printed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/cli/send_plan.h"

namespace volley::cli {

// The way it took, from its line in the event log: "by the route to 127.0.0.1:2525", "through the relay smtp.example.com",
// "directly to mx.example.net"; empty when no host was reached.
std::string proof_way(std::string_view event, const std::vector<std::string>& routes);
// What became of it, from the same line: "bounced: 550 5.1.1 no such user"; without one, that nobody answered.
std::string proof_answer(std::string_view event);
int send_proof(const SendPlan& plan, const SendOptions& options, const Settings& settings, Host& host);

}  // namespace volley::cli
