/* session-info.json, sync-log and activity-log (docs/protocols.md, the session directory). */
#include <fcntl.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"

struct json_object *records_info(const struct agent *a)
{
    const struct session_spec *spec = &a->spec;
    struct json_object *o = json_object_new_object();
    cleanup_str struct str url = STR_INIT;
    str_addf(&url, "ssh://%s@", spec->ssh_user);
    url_add_host_port(&url, spec->ssh_host, spec->ssh_port);
    json_add_str(o, "session_id", spec->id);
    json_add_str(o, "mode", spec->mode);
    json_add_str(o, "magic_link", spec->magic_link);
    json_add_str(o, "ssh_url", url.p);
    json_add_str(o, "host_key", spec->host_key_public);
    json_add_str(o, "repo_name", spec->repo_name);
    json_add_str(o, "repo_url", spec->repo_url);
    json_add_str(o, "session_branch", spec->session_branch);
    json_add_i64(o, "created_at", spec->created_at);
    return o;
}

int records_write_info(const struct agent *a, struct err *err)
{
    cleanup_json struct json_object *o = records_info(a);
    cleanup_str struct str text = STR_INIT;
    json_print(o, &text);
    str_addc(&text, '\n');
    return fd_write_volatile(AT_FDCWD, a->layout.info, text.p, text.len, 0644, err);
}

static void append_line(const char *path, struct json_object *o)
{
    cleanup_str struct str line = STR_INIT;
    struct err err = ERR_INIT;
    json_print(o, &line);
    str_addc(&line, '\n');
    cleanup_close int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        (void)err_errno(&err, "%s", path);
    else
        (void)fd_write_full(fd, line.p, line.len, &err);
    if (err.code)
        log_error("log line is lost: %s", err.msg);
}

void records_activity(const struct agent *a, const char *login, const char *event,
                      struct json_object *detail)
{
    cleanup_json struct json_object *o = json_object_new_object();
    json_add_i64(o, "timestamp", clock_now(&clock_real));
    json_add_str(o, "user", login);
    json_add_str(o, "event", event);
    json_add(o, "detail", detail ? detail : json_object_new_object());
    append_line(a->layout.activity_log, o);
}

void records_sync(const struct agent *a, const char *login, const char *commit,
                  struct json_object *changes, struct json_object *overlaps)
{
    cleanup_json struct json_object *o = json_object_new_object();
    json_add_i64(o, "timestamp", clock_now(&clock_real));
    json_add_str(o, "user", login);
    json_add_str(o, "commit", commit);
    json_add(o, "changes", changes ? json_object_get(changes) : json_object_new_array());
    json_add(o, "overlaps", overlaps ? json_object_get(overlaps) : json_object_new_array());
    append_line(a->layout.sync_log, o);
}
