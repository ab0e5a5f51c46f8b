#include "engine/app/host.h"
#include "engine/cli/context.h"

int main(int argc, char** argv) {
  volley::app::AppHost host;
  return volley::cli::run(argc, argv, host);
}
