/* What doctor looks at on this machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "base/proc.h"
#include "doctor.h"
#include "keyring.h"

#define PROGRAM_TIMEOUT_MS 5000
#define SSH_OLDEST 7 /* OpenSSH: "-o" words that join and ssh-config use */

extern char **environ;

/* As execvp looks, and nowhere else: that is how join starts ssh. */
static bool is_in_path(const char *name)
{
    const char *path = getenv("PATH");
    cleanup_strv struct strv dirs = STRV_INIT;
    strv_split(&dirs, path ? path : "/bin:/usr/bin", ":");
    for (size_t i = 0; i < dirs.len; i++) {
        cleanup_free char *full = xasprintf("%s/%s", dirs.v[i], name);
        if (access(full, X_OK) == 0)
            return true;
    }
    return false;
}

static int run(const char *const *words, struct proc_result *out, struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    if (!is_in_path(words[0]))
        return err_set(err, ERR_NOT_FOUND, "there is no %s in PATH", words[0]);
    for (const char *const *w = words; *w; w++)
        strv_push(&argv, *w);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = words[0];
    spec.argv = argv.v;
    spec.envp = environ;
    return proc_run(&spec, NULL, 0, 65536, PROGRAM_TIMEOUT_MS, out, err);
}

/* Major version of "OpenSSH_9.2p1 ..."; 0 when it is another ssh. */
static uint64_t ssh_major(const char *text)
{
    static const char name[] = "OpenSSH_";
    uint64_t major = 0;
    const char *at = strstr(text, name);
    if (!at)
        return 0;
    at += sizeof name - 1;
    return num_parse_u64(at, strspn(at, "0123456789"), 0, 1000, &major, NULL) < 0 ? 0 : major;
}

static void check_ssh(struct doctor *d)
{
    static const char mend[] = "Install the OpenSSH client (Debian: openssh-client).";
    const char *const words[] = {"ssh", "-V", NULL};
    cleanup_proc_result struct proc_result result = {0, STR_INIT, STR_INIT};
    struct err err = ERR_INIT;
    if (run(words, &result, &err)) {
        doctor_find(d, DOCTOR_WRONG, "ssh", mend, "%s", err.msg);
        return;
    }
    cleanup_str struct str version = STR_INIT;
    str_add(&version, result.errs.p, strcspn(result.errs.p, "\n,"));
    if (ssh_major(version.p) < SSH_OLDEST)
        doctor_find(d, DOCTOR_WRONG, "ssh", mend, "ssh is '%s', not OpenSSH %d or newer", version.p,
                    SSH_OLDEST);
    else
        doctor_find(d, DOCTOR_FINE, "ssh", NULL, "%s", version.p);
}

/* ssh itself reads ~/.ssh/config and says what it does not like about it. */
static void check_ssh_config(struct doctor *d)
{
    const char *const words[] = {"ssh", "-G", "--", "steadystate.invalid", NULL};
    cleanup_proc_result struct proc_result result = {0, STR_INIT, STR_INIT};
    if (run(words, &result, NULL) || result.status == 0)
        return;
    cleanup_str struct str line = STR_INIT;
    str_add_printable(&line, result.errs.p, strcspn(result.errs.p, "\r\n"));
    doctor_find(d, DOCTOR_WRONG, "ssh-config",
                strstr(line.p, "permissions") ? "Run 'chmod 600 ~/.ssh/config'."
                                              : "Correct ~/.ssh/config.",
                "ssh refuses its configuration: %s", line.p);
}

static void check_git(struct doctor *d)
{
    const char *const words[] = {"git", "--version", NULL};
    cleanup_proc_result struct proc_result result = {0, STR_INIT, STR_INIT};
    struct err err = ERR_INIT;
    if (run(words, &result, &err) || result.status != 0)
        doctor_find(d, DOCTOR_WARNING, "git", "Install git.",
                    "git does not run, so 'up .' and clones of a session do not work%s%s",
                    err.code ? ": " : "", err.msg);
    else
        doctor_find(d, DOCTOR_FINE, "git", NULL, "%.*s", (int)strcspn(result.out.p, "\n"),
                    result.out.p);
}

/* Keys that ssh-agent offers; negative when there is none. */
static int agent_keys(void)
{
    const char *agent = getenv("SSH_AUTH_SOCK");
    const char *const words[] = {"ssh-add", "-l", NULL};
    cleanup_proc_result struct proc_result result = {0, STR_INIT, STR_INIT};
    if (!agent || !*agent || run(words, &result, NULL) || result.status > 1)
        return -1;
    int n = 0;
    for (const char *p = result.out.p; result.status == 0 && *p; p++)
        n += *p == '\n';
    return n;
}

static void check_keys(struct doctor *d)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk"};
    const char *home = getenv("HOME");
    int in_agent = agent_keys();
    if (in_agent > 0) {
        doctor_find(d, DOCTOR_FINE, "keys", NULL, "ssh-agent has %d", in_agent);
        return;
    }
    for (size_t i = 0; home && i < ARRAY_LEN(names); i++) {
        cleanup_free char *path = xasprintf("%s/.ssh/%s", home, names[i]);
        struct stat st;
        if (stat(path, &st) < 0)
            continue;
        if (st.st_mode & 077) {
            cleanup_free char *mend = xasprintf("Run 'chmod 600 %s'.", path);
            doctor_find(d, DOCTOR_WRONG, "keys", mend, "others can read %s, so ssh will not use it",
                        path);
        } else {
            doctor_find(d, DOCTOR_FINE, "keys", NULL, "%s", path);
        }
        return;
    }
    doctor_find(d, DOCTOR_WARNING, "keys",
                in_agent == 0 ? "Run 'ssh-add', or 'ssh-keygen -t ed25519' first."
                              : "Run 'ssh-keygen -t ed25519'.",
                in_agent == 0 ? "ssh-agent holds no key and there is none in ~/.ssh"
                              : "no ssh-agent and no key in ~/.ssh");
}

static void check_keyring(struct doctor *d)
{
    struct err err = ERR_INIT;
    char *secret = NULL;
    int rc = keyring_lookup("doctor", &secret, &err);
    free_secret(secret);
    if (rc == 0 || rc == ERR_NOT_FOUND)
        doctor_find(d, DOCTOR_FINE, "keyring", NULL, "the desktop's keyring answers");
    else
        doctor_find(d, DOCTOR_WARNING, "keyring",
                    "Start a Secret Service (gnome-keyring); until then the login is in a 0600 "
                    "file.",
                    "%s", err.msg);
}

static void check_config(struct doctor *d)
{
    struct err err = ERR_INIT;
    cleanup_free char *dir = account_config_dir(&err);
    struct stat st;
    if (!dir) {
        doctor_find(d, DOCTOR_WRONG, "config",
                    "Set STEADYSTATE_CONFIG_DIR to a directory of yours.", "%s", err.msg);
        return;
    }
    if (access(dir, W_OK) < 0) {
        doctor_find(d, DOCTOR_WRONG, "config", "Make it writable or set STEADYSTATE_CONFIG_DIR.",
                    "%s: %s", dir, strerror(errno));
        return;
    }
    if (stat(dir, &st) == 0 && (st.st_mode & 022)) {
        cleanup_free char *mend = xasprintf("Run 'chmod 700 %s'.", dir);
        doctor_find(d, DOCTOR_WRONG, "config", mend, "others can write in %s", dir);
        return;
    }
    doctor_find(d, DOCTOR_FINE, "config", NULL, "%s", dir);
}

void doctor_check_here(struct doctor *d)
{
    check_config(d);
    check_ssh(d);
    check_ssh_config(d);
    check_git(d);
    check_keys(d);
    check_keyring(d);
}
