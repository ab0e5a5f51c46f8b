set(ENGINE_SOURCES
  campaign_cache.cc campaign_context.cc clock_watch.cc content_budget.cc engine.cc history_keeper.cc journal.cc journal_carry.cc journal_format.cc journal_reader.cc
  partition_claims.cc partition_contexts.cc partition_leases.cc partition_settle.cc partition_trouble.cc replay_book.cc settlement.cc status.cc
  steward.cc worker.cc worker_records.cc worker_sharing.cc)
