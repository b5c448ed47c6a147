/* join: known_hosts from the link, then ssh, and why when it fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "opt.h"
#include "session_view.h"
#include "ssh_run.h"
#include "ui.h"

static const struct command_help help = {
    .name = "join",
    .synopsis = "[options] <link|id> [-- command]",
    .summary = "Enters a session: a shell in your own worktree, or one command there.",
    .text =
        "The host key comes with the link, so the first connection is as safe as the link. One\n"
        "argument behind -- is a shell command line; several are passed on as they are.",
    .example = "steadystate join 'steadystate://collab/...' -- make test",
};

/* The remote side gives the command to a shell: several words are quoted one by one. */
static char *remote_command(int n, char **words)
{
    struct str s = STR_INIT;
    for (int i = 0; i < n; i++) {
        if (i)
            str_addc(&s, ' ');
        if (n == 1)
            str_adds(&s, words[i]);
        else
            str_add_shell_quoted(&s, words[i]);
    }
    return str_detach(&s);
}

static void build_argv(struct strv *v, const struct magic_link *link, const char *known_hosts,
                       const char *key_file, char *command, bool terminal)
{
    strv_pushl(v, "ssh", "-F", "none", NULL);
    /* Quoted, since ssh splits the value at blanks. */
    strv_pushf(v, "-oUserKnownHostsFile=\"%s\"", known_hosts);
    strv_pushl(v, "-oGlobalKnownHostsFile=/dev/null", "-oStrictHostKeyChecking=yes",
               "-oCheckHostIP=no", "-oUpdateHostKeys=no", "-oConnectTimeout=15", NULL);
    strv_pushf(v, "-oServerAliveInterval=%d", SSH_ALIVE_INTERVAL);
    strv_pushf(v, "-oServerAliveCountMax=%d", SSH_ALIVE_COUNT);
    if (key_file)
        strv_pushl(v, "-oIdentitiesOnly=yes", "-i", key_file, NULL);
    else
        ssh_add_home_keys(v);
    if ((!command || terminal) && isatty(STDIN_FILENO))
        strv_push(v, "-t");
    strv_push(v, "-p");
    strv_pushf(v, "%d", link->port);
    strv_pushl(v, "-l", link->user, "--", link->host, NULL);
    if (command)
        strv_push(v, command);
}

int cmd_join(int argc, char **argv)
{
    bool read_only = false;
    const char *key_file = NULL;
    const struct opt opts[] = {
        {0, "read-only", OPT_FLAG, NULL, "watch a shared terminal without typing (pair mode)",
         .flag = &read_only},
        {'i', NULL, OPT_VALUE, "KEYFILE", "the key to log in with", .text = &key_file},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (first >= argc)
        return opt_usage_error(&help, "the link is missing");

    struct err err = ERR_INIT;
    cleanup_magic_link struct magic_link link = {0};
    if ((rc = session_link_operand("join", argv[first], &link)) >= 0)
        return rc;
    if (read_only && strcmp(link.mode, "pair") != 0)
        return opt_usage_error(&help, "--read-only is for pair sessions; this one is a %s session",
                               link.mode);
    cleanup_free char *known_hosts = NULL;
    if (session_known_hosts(&link, &known_hosts, &err))
        return ui_fail_err("join", &err, NULL);

    cleanup_strv struct strv ssh = STRV_INIT;
    cleanup_free char *command =
        first + 1 < argc ? remote_command(argc - first - 1, argv + first + 1) : NULL;
    if (read_only) {
        if (command)
            return opt_usage_error(&help, "--read-only watches; it runs no command");
        command = xstrdup("steadystate pair --read-only");
    }
    build_argv(&ssh, &link, known_hosts, key_file, command, read_only);
    cleanup_str struct str log = STR_INIT;
    int status = SSH_RUN_FAILED;
    if (ssh_run(&ssh, &status, &log, &err))
        return ui_fail_err("join", &err, NULL);
    return ssh_explain(&link, status, &log);
}
