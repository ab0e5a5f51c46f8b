// From a parsed template to the flat program a row runs through.
//
// Purpose  Names become column indexes, partials are expanded in place, recursion is refused: what cannot go wrong any
//          more when a million rows follow. Thread: pure. Errors: kData, with the tag's file:line:column.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/message/mustache.h"
#include "engine/message/mustache_tree.h"

namespace volley::message {

Result<RowTemplate> bind_row(const std::vector<MustacheNode>& nodes, const Partials& partials,
                             std::span<const std::string> columns);

}  // namespace volley::message
