// The parts of the rule table, in the order rules.cc puts them. Only for rules.cc and rules_*.cc.
#pragma once

#include <span>

#include "engine/smtp/rules.h"

namespace volley::smtp {

std::span<const Rule> relay_rules();     // whom we send through
std::span<const Rule> large_rules();     // Google, Microsoft, Yahoo, Apple
std::span<const Rule> regional_rules();  // Orange, SFR, Free, GMX, Comcast, gateways, others

}  // namespace volley::smtp
