volley_test(delivery_journal_test
  SOURCES journal_test.cc journal_carry_test.cc settlement_test.cc
  BOXES delivery queue base)
volley_test(delivery_engine_test
  SOURCES clock_watch_test.cc engine_test.cc partition_owner_test.cc partition_trouble_test.cc status_test.cc
  BOXES delivery queue metrics message net base)
