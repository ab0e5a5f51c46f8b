// What the tests of classification share: one classifier, and replies from their bytes.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "engine/smtp/classify.h"
#include "engine/smtp/reply.h"

namespace volley::smtp {

inline const Classifier& classifier() {
  static const Classifier shared;
  return shared;
}

inline Reply reply_of(std::string_view bytes) {
  ReplyParser parser;
  size_t used = 0;
  EXPECT_EQ(parser.parse(std::string(bytes) + "\r\n", used), ReplyParser::Progress::kReply)
      << bytes;
  return parser.take();
}

}  // namespace volley::smtp
