/* What lies in files for the shared terminal: tmux's configuration, git's author and hooks (the
 * agent's, readable), the directory of the socket (the account's alone). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/terminal_internal.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"

/* Hooks of git that a repository may have of its own: all of them go through ours, which runs the
 * repository's first. Those that git asks for all the time are left out. */
static const char *const hooks[] = {
    "applypatch-msg",     "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit",
    "prepare-commit-msg", "commit-msg",     "post-commit",     "pre-rebase", "post-checkout",
    "post-merge",         "pre-push",       "post-rewrite"};

static int make_dir(const char *path, mode_t mode, struct err *err)
{
    struct stat st;
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return err_errno(err, "%s", path);
    if (lstat(path, &st) != 0)
        return err_errno(err, "%s", path);
    return S_ISDIR(st.st_mode) ? 0 : err_set(err, ERR_DENIED, "%s is not a directory", path);
}

static void add_tmux_conf(struct str *out)
{
    str_adds(out, "set -g default-shell /bin/bash\n"
                  "set -g default-command /bin/bash\n"
                  "set -g default-terminal screen-256color\n"
                  "set -g update-environment ''\n"
                  "set -g history-limit 20000\n"
                  "set -g display-time 4000\n"
                  "set -g status-left '#[bold]shared#[default] '\n"
                  "set -g status-left-length 10\n"
                  "set -g status-right ''\n"
                  "set -g status-right-length 120\n"
                  "set -s escape-time 25\n");
    /* How the people of the session like it, kept by themselves in the account's home. */
    str_adds(out, "source-file -q ~/.tmux.conf\n");
    /* What makes it a shared one stays as it is. */
    str_adds(out, "set -g window-size smallest\n"
                  "set -g destroy-unattached off\n"
                  "set -s exit-unattached off\n");
}

static int make_hooks(const struct terminal *t, struct err *err)
{
    cleanup_free char *dir = path_join(t->dir, "hooks");
    cleanup_free char *program = path_join(t->agent->layout.programs, "steadystate-agent");
    int rc = make_dir(dir, 0755, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(hooks); i++) {
        cleanup_free char *path = path_join(dir, hooks[i]);
        cleanup_str struct str text = STR_INIT;
        str_adds(&text, "#!/bin/sh\nexec ");
        str_add_shell_quoted(&text, program);
        str_addf(&text, " hook %s \"$@\"\n", hooks[i]);
        rc = fd_write_file(AT_FDCWD, path, text.p, text.len, 0755, err);
    }
    return rc;
}

int terminal_make_files(struct terminal *t, const struct account *account, struct err *err)
{
    cleanup_str struct str conf = STR_INIT;
    const struct agent *a = t->agent;
    int rc = make_dir(t->dir, a->local ? 0700 : 0755, err);
    if (rc == 0)
        rc = make_dir(t->run, 0700, err);
    if (rc < 0)
        return rc;
    if (!a->local && chown(t->run, account->uid, account->uid) != 0)
        return err_errno(err, "%s", t->run);
    add_tmux_conf(&conf);
    rc = fd_write_file(AT_FDCWD, t->config, conf.p, conf.len, 0644, err);
    if (rc == 0)
        rc = make_hooks(t, err);
    if (rc == 0)
        terminal_write_author(t);
    return rc;
}

static void add_config_value(struct str *out, const char *key, const char *value)
{
    str_addf(out, "\t%s = \"", key);
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\')
            str_addc(out, '\\');
        if ((unsigned char)*c >= 0x20)
            str_addc(out, *c);
    }
    str_adds(out, "\"\n");
}

static int write_plain(const char *path, const struct str *text, struct err *err)
{
    cleanup_free char *temp = xasprintf("%s.new", path);
    cleanup_close int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return err_errno(err, "%s", temp);
    int rc = fd_write_full(fd, text->p, text->len, err);
    if (rc == 0 && rename(temp, path) != 0)
        return err_errno(err, "%s", path);
    return rc;
}

void terminal_write_author(struct terminal *t)
{
    const char *provider, *login;
    cleanup_free char *name = NULL;
    cleanup_free char *email = NULL;
    cleanup_free char *dir = path_join(t->dir, "hooks");
    cleanup_str struct str text = STR_INIT;
    struct err err = ERR_INIT;
    terminal_speaker(t, &provider, &login);
    people_author(t->agent, provider, login, &name, &email);
    cleanup_free char *author = xasprintf("%s <%s>", name, email);
    if (t->written_author && strcmp(t->written_author, author) == 0)
        return;
    str_adds(&text, "[user]\n");
    add_config_value(&text, "name", name);
    add_config_value(&text, "email", email);
    str_adds(&text, "[core]\n");
    add_config_value(&text, "hooksPath", dir);
    if (write_plain(t->gitconfig, &text, &err) < 0) {
        log_warn("the author of commits cannot be noted: %s", err.msg);
        return;
    }
    free(t->written_author);
    t->written_author = steal(&author);
}

/* Given by the environment, they go before whatever a repository's configuration says. */
void terminal_git_env(const struct terminal *t, struct json_object *env)
{
    json_add_str(env, "GIT_CONFIG_COUNT", "1");
    json_add_str(env, "GIT_CONFIG_KEY_0", "include.path");
    json_add_str(env, "GIT_CONFIG_VALUE_0", t->gitconfig);
}
