pkg_check_modules(openssl REQUIRED IMPORTED_TARGET GLOBAL openssl)
volley_test(delivery_dialog_test
  SOURCES delivery_dialog.cc delivery_dialog_test.cc early_data_test.cc peer.cc scripted_hosts.cc scripted_zone.cc
    ../dns/fake_server.cc ../net/tls_chain.cc ../smtp/dialog.cc ../smtp/dialog_text.cc
  BOXES delivery smtp message queue metrics dns net base
  LIBS PkgConfig::openssl re2 fmt)
target_compile_definitions(delivery_dialog_test PRIVATE VOLLEY_DIALOG_DIR="${PROJECT_SOURCE_DIR}/tests/dialog")
