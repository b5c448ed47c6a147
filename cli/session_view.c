#include "session_view.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/url.h"
#include "ui.h"

int session_operand(const char *what, const char *text, char id[SESSION_ID_LEN + 1])
{
    struct err err = ERR_INIT;
    if (magic_link_id(text, id, &err) == 0)
        return -1;
    return ui_fail(EXIT_USAGE, what, err.msg, "Give a session id or a link.");
}

int session_get(struct backend *b, const char *id, struct json_object **info, struct err *err)
{
    cleanup_free char *path = xasprintf("/sessions/%s", id);
    return backend_call(b, "GET", path, NULL, 0, info, NULL, err);
}

/* The link of a session that is named by its id. */
static int ask_link(const char *what, const char *id, struct magic_link *link)
{
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    cleanup_json struct json_object *info = NULL;
    if (backend_open(NULL, &b, &err))
        return ui_fail_err(what, &err, NULL);
    if (session_get(&b, id, &info, &err))
        return backend_fail(&b, what, &err);
    const char *text = session_text(info, "magic_link");
    if (magic_link_parse(text, strlen(text), link, &err))
        return ui_fail_err(what, &err, "Give the session's link.");
    return -1;
}

int session_link_operand(const char *what, const char *text, struct magic_link *link)
{
    char id[SESSION_ID_LEN + 1];
    struct err err = ERR_INIT;
    if (!strchr(text, ':') && magic_link_id(text, id, NULL) == 0)
        return ask_link(what, id, link);
    if (magic_link_parse(text, strlen(text), link, &err) == 0)
        return -1;
    return ui_fail(EXIT_USAGE, what, err.msg,
                   "Copy the whole link and quote it: it holds a '?' and a '&'.");
}

const char *session_text(struct json_object *info, const char *key)
{
    const char *text = "";
    json_opt_str(info, key, 65536, &text, NULL);
    return text;
}

static char *known_hosts_path(const char *id, struct err *err)
{
    cleanup_free char *dir = account_config_dir(err);
    if (!dir)
        return NULL;
    cleanup_free char *hosts = path_join(dir, "known_hosts.d");
    if (path_make_dirs(hosts, 0700, err))
        return NULL;
    return path_join(hosts, id);
}

int session_known_hosts(const struct magic_link *link, char **path, struct err *err)
{
    cleanup_free char *file = known_hosts_path(link->session_id, err);
    if (!file)
        return err ? err->code : ERR_FAILED;
    cleanup_str struct str line = STR_INIT;
    if (link->port == 22)
        str_adds(&line, link->host);
    else
        str_addf(&line, "[%s]:%d", link->host, link->port);
    str_addf(&line, " %s\n", link->host_key);
    int rc = fd_write_file(AT_FDCWD, file, line.p, line.len, 0600, err);
    if (rc == 0)
        *path = steal(&file);
    return rc;
}

void session_forget(const char *id)
{
    cleanup_free char *file = known_hosts_path(id, NULL);
    if (file)
        unlink(file);
    const char *home = getenv("HOME");
    cleanup_free char *entry = home ? xasprintf("%s/.ssh/steadystate/%s.conf", home, id) : NULL;
    if (entry)
        unlink(entry);
}

void session_add_ssh_line(struct str *out, const struct magic_link *link)
{
    str_addf(out, "ssh -p %d %s@%s", link->port, link->user, link->host);
}
