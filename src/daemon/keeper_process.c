#include "daemon/keeper_process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "keeper/server.h"
#include "sandbox/sandbox.h"

#define WAIT_MS 8000

static void forget_secret(char *secret)
{
    if (secret)
        mem_wipe(secret, strlen(secret));
}

/* A terminal's Ctrl-C and a supervisor's TERM go to both processes: the api process decides when it
 * is over. */
static void ignore_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        (void)signal(ignored[i], SIG_IGN);
}

static int serve(const struct config *config, const struct compute_choice *choice,
                 const char *server_id, int fd, struct err *err)
{
    cleanup_free char *archives = path_join(config->state_dir, "archives");
    struct keeper_options options = {.fd = fd,
                                     .server_id = server_id,
                                     .archive_dir = archives,
                                     .secrets = {.forge_tokens = config->forge_tokens_file,
                                                 .deploy_key = config->deploy_key,
                                                 .known_hosts = config->known_hosts}};
    int rc = compute_open(config, choice, server_id, &options.provider, err);
    if (rc == 0)
        rc = sandbox_enter_keeper(choice->local, err);
    mem_give_back();
    if (rc == 0)
        rc = keeper_serve(&options, err);
    return rc;
}

static void run(const struct config *config, const struct compute_choice *choice,
                const char *server_id, int fd) __attribute__((noreturn));
static void run(const struct config *config, const struct compute_choice *choice,
                const char *server_id, int fd)
{
    struct err err = ERR_INIT;
    ignore_signals();
    (void)prctl(PR_SET_NAME, "steady-keeper");
    forget_secret(config->jwt_secret);
    forget_secret(config->jwt_secret_previous);
    int rc = serve(config, choice, server_id, fd, &err);
    if (rc)
        log_error("keeper: %s", err.msg);
    _exit(rc ? 1 : 0);
}

int keeper_process_start(const struct config *config, const struct compute_choice *choice,
                         const char *server_id, struct keeper_process *out, struct err *err)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return err_errno(err, "socketpair");
    pid_t pid = fork();
    if (pid < 0) {
        int rc = err_errno(err, "fork");
        close(fds[0]);
        close(fds[1]);
        return rc;
    }
    if (pid == 0) {
        close(fds[0]);
        run(config, choice, server_id, fds[1]);
    }
    close(fds[1]);
    *out = (struct keeper_process){.pid = pid, .fd = fds[0]};
    return 0;
}

void keeper_process_wait(struct keeper_process *keeper)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    int64_t until = clock_mono_ms(&clock_real) + WAIT_MS;
    while (keeper->pid > 0) {
        pid_t pid = waitpid(keeper->pid, NULL, WNOHANG);
        if (pid == keeper->pid || (pid < 0 && errno == ECHILD))
            keeper->pid = 0;
        else if (clock_mono_ms(&clock_real) >= until)
            return; /* it ends by itself */
        else
            nanosleep(&pause, NULL);
    }
}
