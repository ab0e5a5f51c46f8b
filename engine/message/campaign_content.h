// From a campaign file to its Content: reads every file the campaign names.
//
// Purpose  load_content() reads bodies, partials and attachments, checks that texts are UTF-8
// without NUL, normalises
//          their line ends, and refuses more than kMaxAttachmentBytes of attachments.
// Thread   Blocks: not for a loop. Errors kNoInput for a file that cannot be read, kData for what
// is in it; both name
//          the file (and the line where there is one) and the remedy.
#pragma once

#include "base/result.h"
#include "engine/message/campaign_file.h"
#include "engine/message/content.h"

namespace volley::message {

Result<Content> load_content(const CampaignSpec& spec);

}  // namespace volley::message
