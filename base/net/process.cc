#include "base/net/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "base/net/loop.h"

namespace volley::net {

struct ChildProcess::Handle {
  uv_process_t process{};
  uv_pipe_t input{};
  uv_write_t write{};
  std::string bytes;
  std::function<void(ProcessExit)> on_exit;
  bool running = false;
  bool abandoned = false;
  bool input_open = false;
  int to_close = 0;

  void close(uv_handle_t* handle) {
    if (uv_is_closing(handle)) return;
    uv_close(handle, [](uv_handle_t* closed) {
      auto* self = static_cast<Handle*>(closed->data);
      --self->to_close;
      self->free_if_done();
    });
  }
  void free_if_done() {
    if (abandoned && to_close == 0) delete this;
  }
  void close_input() {
    if (std::exchange(input_open, false)) close(reinterpret_cast<uv_handle_t*>(&input));
  }
  void close_process() { close(reinterpret_cast<uv_handle_t*>(&process)); }
  void start_input(uv_loop_t* loop);
  static void exited(uv_process_t* process, int64_t status, int signal);
};

void ChildProcess::Handle::start_input(uv_loop_t* loop) {
  uv_pipe_init(loop, &input, 0);
  input.data = this;
  input_open = true;
  ++to_close;
}

void ChildProcess::Handle::exited(uv_process_t* process, int64_t status, int signal) {
  auto* self = static_cast<Handle*>(process->data);
  self->running = false;
  self->close_input();
  self->close_process();
  const auto callback = std::exchange(self->on_exit, nullptr);
  if (!self->abandoned && callback) callback({static_cast<int>(status), signal});
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::spawn(
    Loop& loop, const SpawnOptions& options, std::function<void(ProcessExit)> on_exit) {
  if (options.argv.empty()) return Error{Errc::kInternal, "no program to start"};
  int output = -1;
  if (!options.output_file.empty()) {
    output = ::open(options.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0) {
      return Error{Errc::kCantCreate, fmt::format("{}: cannot create: {}", options.output_file,
                                                  std::generic_category().message(errno))};
    }
  }
  auto* handle = new Handle;
  handle->on_exit = std::move(on_exit);
  handle->bytes = options.standard_input;

  std::vector<uv_stdio_container_t> stdio(3 + options.inherited_fds.size());
  stdio[0].flags = UV_IGNORE;  // for 0 to 2 this is /dev/null
  if (!handle->bytes.empty()) {
    handle->start_input(loop.uv());
    stdio[0].flags = static_cast<uv_stdio_flags>(UV_CREATE_PIPE | UV_READABLE_PIPE);
    stdio[0].data.stream = reinterpret_cast<uv_stream_t*>(&handle->input);
  }
  for (size_t i = 1; i < stdio.size(); ++i) {
    const int fd = i < 3 ? output : options.inherited_fds[i - 3];
    stdio[i].flags = fd < 0 ? UV_IGNORE : UV_INHERIT_FD;
    stdio[i].data.fd = fd;
  }
  std::vector<char*> argv;
  argv.reserve(options.argv.size() + 1);
  for (const std::string& argument : options.argv)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> environment;
  environment.reserve(options.environment.size() + 1);
  for (const std::string& entry : options.environment) {
    environment.push_back(const_cast<char*>(entry.c_str()));
  }
  environment.push_back(nullptr);

  uv_process_options_t spec{};
  spec.file = argv[0];
  spec.args = argv.data();
  spec.env = options.environment.empty() ? nullptr : environment.data();
  spec.cwd = options.directory.empty() ? nullptr : options.directory.c_str();
  spec.stdio_count = static_cast<int>(stdio.size());
  spec.stdio = stdio.data();
  spec.exit_cb = &Handle::exited;
  handle->process.data = handle;
  const int code = uv_spawn(loop.uv(), &handle->process, &spec);
  handle->process.data = handle;
  ++handle->to_close;
  if (output >= 0) ::close(output);
  if (code != 0) {
    handle->abandoned = true;
    handle->close_input();
    handle->close_process();
    return Error{Errc::kUnavailable,
                 fmt::format("{}: cannot be started: {}", options.argv[0], uv_strerror(code))};
  }
  handle->running = true;
  if (handle->input_open) {
    handle->write.data = handle;
    const uv_buf_t buffer =
        uv_buf_init(handle->bytes.data(), static_cast<unsigned>(handle->bytes.size()));
    uv_write(&handle->write, reinterpret_cast<uv_stream_t*>(&handle->input), &buffer, 1,
             [](uv_write_t* write, int) { static_cast<Handle*>(write->data)->close_input(); });
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(handle));
}

ChildProcess::~ChildProcess() {
  handle_->abandoned = true;
  handle_->close_input();
  if (std::exchange(handle_->running, false)) {
    ::kill(handle_->process.pid, SIGKILL);
    while (::waitpid(handle_->process.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  handle_->close_process();
  handle_->free_if_done();
}

int ChildProcess::pid() const { return handle_->process.pid; }
bool ChildProcess::running() const { return handle_->running; }
void ChildProcess::signal(int signal_number) {
  if (handle_->running) ::kill(handle_->process.pid, signal_number);
}

}  // namespace volley::net
