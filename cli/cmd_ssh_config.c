/* ssh-config: a Host entry, so that ssh, scp, rsync and editors know a session by a name. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "command.h"
#include "opt.h"
#include "session_view.h"
#include "ssh_run.h"
#include "ui.h"

#define SHORT_ID 6
#define SSH_CONFIG_MAX (1024 * 1024)
#define INCLUDE_LINE "Include steadystate/*.conf\n"

static const struct command_help help = {
    .name = "ssh-config",
    .synopsis = "[--write] [--json] <link|id>",
    .summary = "Prints a Host entry for a session, for ssh, scp, rsync and editors.",
    .text = "With --write the entry goes into ~/.ssh/steadystate/<id>.conf, which ~/.ssh/config\n"
            "includes; 'steadystate down' takes it away.",
    .example = "steadystate ssh-config --write 'steadystate://collab/...'\n"
               "steadystate ssh-config 'steadystate://collab/...' >> ~/.ssh/config",
};

/* Directory of the entries that were written, allocated. */
static char *entries_dir(struct err *err)
{
    const char *home = getenv("HOME");
    if (home && *home == '/')
        return path_join(home, ".ssh/steadystate");
    err_set(err, ERR_INVALID, "HOME is not set");
    return NULL;
}

/* How much of an id names its session: a little, unless another session's entry begins alike. */
static int name_length(const char *id)
{
    cleanup_free char *dir = entries_dir(NULL);
    DIR *d = dir ? opendir(dir) : NULL;
    int n = SHORT_ID;
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, id, SHORT_ID) == 0 && strncmp(e->d_name, id, SESSION_ID_LEN) != 0)
            n = SESSION_ID_LEN;
    if (d)
        (void)closedir(d);
    return n;
}

static void add_entry(struct str *out, const struct magic_link *link, const char *name,
                      const char *known_hosts, const char *key_file)
{
    str_addf(out, "Host %s\n    HostName %s\n    Port %d\n    User %s\n", name, link->host,
             link->port, link->user);
    str_addf(out, "    UserKnownHostsFile \"%s\"\n    GlobalKnownHostsFile /dev/null\n",
             known_hosts);
    str_addf(out,
             "    StrictHostKeyChecking yes\n    UpdateHostKeys no\n    CheckHostIP no\n"
             "    ServerAliveInterval %d\n    ServerAliveCountMax %d\n",
             SSH_ALIVE_INTERVAL, SSH_ALIVE_COUNT);
    if (key_file)
        str_addf(out, "    IdentityFile \"%s\"\n    IdentitiesOnly yes\n", key_file);
}

/* Puts the Include in front of ~/.ssh/config unless it is there: an Include below a Host belongs to
 * that Host. */
static int ensure_include(const char *config, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    struct err why = ERR_INIT;
    int rc = fd_read_file(AT_FDCWD, config, SSH_CONFIG_MAX, &text, &why);
    if (rc && rc != ERR_NOT_FOUND)
        return err_set(err, rc, "%s", why.msg);
    if (memmem(text.p, text.len, INCLUDE_LINE, strlen(INCLUDE_LINE)))
        return 0;
    struct stat st;
    mode_t mode = stat(config, &st) == 0 ? st.st_mode & 0777 : 0600;
    cleanup_str struct str next = STR_INIT;
    str_addf(&next, "%s\n", INCLUDE_LINE);
    str_add(&next, text.p, text.len);
    return fd_write_file(AT_FDCWD, config, next.p, next.len, mode, err);
}

static int write_entry(const char *id, const struct str *entry, struct err *err)
{
    cleanup_free char *dir = entries_dir(err);
    if (!dir)
        return err->code;
    cleanup_free char *config = xasprintf("%.*s/config", (int)(strrchr(dir, '/') - dir), dir);
    cleanup_free char *file = xasprintf("%s/%s.conf", dir, id);
    int rc = path_make_dirs(dir, 0700, err);
    if (rc || (rc = fd_write_file(AT_FDCWD, file, entry->p, entry->len, 0600, err)) ||
        (rc = ensure_include(config, err)))
        return rc;
    return 0;
}

/* As ssh_config names them, in lower case. */
static void print_json(const struct magic_link *link, const char *name, const char *known_hosts,
                       const char *key_file, const struct str *entry)
{
    cleanup_json struct json_object *obj = json_object_new_object();
    json_add_str(obj, "host", name);
    json_add_str(obj, "hostname", link->host);
    json_add_i64(obj, "port", link->port);
    json_add_str(obj, "user", link->user);
    json_add_str(obj, "userknownhostsfile", known_hosts);
    json_add_str(obj, "identityfile", key_file);
    json_add_str(obj, "entry", entry->p);
    ui_print_json(obj);
}

int cmd_ssh_config(int argc, char **argv)
{
    bool write_it = false, json = false;
    const char *key_file = NULL;
    const struct opt opts[] = {
        {0, "write", OPT_FLAG, NULL, "into ~/.ssh/steadystate instead of stdout",
         .flag = &write_it},
        {'i', NULL, OPT_VALUE, "KEYFILE", "the key to log in with", .text = &key_file},
        {0, "json", OPT_FLAG, NULL, "as JSON", .flag = &json},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (first + 1 != argc)
        return opt_usage_error(&help, "give one link");
    struct err err = ERR_INIT;
    cleanup_magic_link struct magic_link link = {0};
    if ((rc = session_link_operand("ssh-config", argv[first], &link)) >= 0)
        return rc;
    cleanup_free char *known_hosts = NULL;
    if (session_known_hosts(&link, &known_hosts, &err))
        return ui_fail_err("ssh-config", &err, NULL);
    cleanup_str struct str entry = STR_INIT;
    cleanup_free char *name =
        xasprintf("steadystate-%.*s", name_length(link.session_id), link.session_id);
    add_entry(&entry, &link, name, known_hosts, key_file);
    if (write_it && write_entry(link.session_id, &entry, &err))
        return ui_fail_err("ssh-config", &err, NULL);
    if (json)
        print_json(&link, name, known_hosts, key_file, &entry);
    else
        printf("%s%s", write_it ? name : entry.p, write_it ? "\n" : "");
    return EXIT_DONE;
}
