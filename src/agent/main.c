/*
 * steadystate-agent: a session's supervisor.
 *
 *     run [--session-root DIR] [--stdio] [--local]   serve the session
 *     ctl [--session-root DIR] [--local]             bridge to its control socket
 *     policy NAME                                    print a seccomp policy as the engines' JSON
 *     snapshot, scan, empty, terminal, hook, warm    its own helpers
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/archive.h"
#include "agent/bridge.h"
#include "agent/init.h"
#include "agent/radar.h"
#include "agent/start.h"
#include "agent/terminal_hook.h"
#include "agent/warm.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"

#define EXIT_USAGE 2

static const char help[] =
    "usage: steadystate-agent run [--session-root DIR] [--stdio] [--local]\n"
    "       steadystate-agent ctl [--session-root DIR] [--local]\n"
    "       steadystate-agent policy NAME\n"
    "       steadystate-agent version\n"
    "\n"
    "Supervises one session: clones the repository, makes accounts and worktrees, runs sshd, keeps "
    "the\n"
    "session's branch. steadystated starts it, as the first process of a container or detached for "
    "a\n"
    "local session; nobody has to do it by hand.\n"
    "\n"
    "run makes the session and serves it. ctl is a further way to the control channel of an agent "
    "that\n"
    "runs. policy prints one of the built-in seccomp policies as JSON.\n"
    "\n"
    "Options:\n"
    "  --session-root DIR  where the session lies (default /session)\n"
    "  --stdio             the control channel is standard input and output\n"
    "  --local             without a container\n"
    "  --help              this text\n"
    "\n"
    "Example:\n"
    "  steadystate-agent policy session\n";

static int usage(void)
{
    (void)fputs(help, stderr);
    return EXIT_USAGE;
}

static int read_options(int argc, char **argv, struct agent_options *out)
{
    static const struct option known[] = {{"session-root", required_argument, NULL, 'r'},
                                          {"stdio", no_argument, NULL, 's'},
                                          {"local", no_argument, NULL, 'l'},
                                          {NULL, 0, NULL, 0}};
    *out = (struct agent_options){.root = LAYOUT_CONTAINER_ROOT};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'r')
            out->root = optarg;
        else if (c == 's')
            out->stdio = true;
        else if (c == 'l')
            out->local = true;
        else
            return -1;
    }
    return optind == argc ? 0 : -1;
}

static int run(const struct agent_options *options)
{
    if (options->local)
        (void)setsid();
    if (init_split(options->local) != 0) {
        log_error("no process can be started");
        return 1;
    }
    return agent_run(options);
}

static int ctl(const struct agent_options *options)
{
    struct layout layout;
    struct err err = ERR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    int rc = layout_init(&layout, options->root, options->local, &err);
    if (rc == 0)
        rc = bridge_run(layout.ctl, &err);
    layout_release(&layout);
    if (rc < 0)
        log_error("ctl: %s", err.msg);
    return rc < 0;
}

static int policy(const char *name)
{
    enum sandbox_policy which;
    struct err err = ERR_INIT;
    cleanup_str struct str text = STR_INIT;
    if (sandbox_policy_find(name, &which, &err) < 0) {
        log_error("%s", err.msg);
        return 1;
    }
    sandbox_policy_json(which, &text);
    str_addc(&text, '\n');
    return fd_write_full(STDOUT_FILENO, text.p, text.len, &err) < 0;
}

static int snapshot(char *const *args)
{
    int fd;
    if (num_parse_int(args[2], 3, 1 << 20, &fd, NULL) < 0)
        return usage();
    return archive_snapshot(args[0], args[1], fd);
}

int main(int argc, char **argv)
{
    struct agent_options options;
    log_setup("steadystate-agent", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    if (argc < 2)
        return usage();
    const char *verb = argv[1];
    if (strcmp(verb, "--help") == 0 && argc == 2)
        return fputs(help, stdout) < 0;
    if (strcmp(verb, "policy") == 0 && argc == 3)
        return policy(argv[2]);
    if (strcmp(verb, "snapshot") == 0 && argc == 5)
        return snapshot(argv + 2);
    if (strcmp(verb, "scan") == 0 && argc == 2)
        return radar_scan();
    if (strcmp(verb, "empty") == 0 && argc == 3)
        return start_empty(argv[2]);
    if (strcmp(verb, "hook") == 0 && argc >= 3)
        return terminal_hook(argv[2], argc - 3, argv + 3);
    if (strcmp(verb, "terminal") == 0 && argc == 9)
        return start_terminal(argv + 2);
    if (strcmp(verb, "warm") == 0 && argc == 4)
        return warm_main(argv[2], argv[3]);
    if (strcmp(verb, "version") == 0 && argc == 2)
        return printf("steadystate-agent %s\n", STEADYSTATE_VERSION) < 0;
    if (read_options(argc - 1, argv + 1, &options) != 0)
        return usage();
    if (strcmp(verb, "run") == 0)
        return run(&options);
    if (strcmp(verb, "ctl") == 0)
        return ctl(&options);
    return usage();
}
