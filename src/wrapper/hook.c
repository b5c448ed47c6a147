#include "wrapper/hook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/repo.h"
#include "sync/agent_client.h"
#include "sync/receive.h"

#define OVERLAPS_SHOWN 50

bool hook_is_called(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    return argv0 && strcmp(slash ? slash + 1 : argv0, HOOK_NAME) == 0;
}

/* --- pkt-lines ----------------------------------------------------------------------------------
 */

int hook_line_length(const char digits[4])
{
    static const char hex[] = "0123456789abcdef";
    int n = 0;
    for (int i = 0; i < 4; i++) {
        const char *at = memchr(hex, digits[i], 16);
        if (!at)
            return -1;
        n = n * 16 + (int)(at - hex);
    }
    if (n == 0)
        return 0;
    return n > 4 && n - 4 <= HOOK_LINE_MAX ? n - 4 : -1;
}

int hook_command_parse(char *line, size_t len, struct hook_command *out, struct err *err)
{
    if (len && line[len - 1] == '\n')
        line[--len] = '\0';
    if (len < 2 * (size_t)OID_HEX + 3 || line[OID_HEX] != ' ' || line[2 * OID_HEX + 1] != ' ' ||
        strlen(line) != len)
        return err_set(err, ERR_INVALID, "a malformed ref line");
    int rc = oid_parse(line, OID_HEX, &out->old, err);
    if (rc == 0)
        rc = oid_parse(line + OID_HEX + 1, OID_HEX, &out->new_, err);
    out->ref = line + 2 * (size_t)OID_HEX + 2;
    return rc;
}

/* 1: a line in *out; 0: a flush. */
static int read_line(struct str *out, struct err *err)
{
    char digits[4];
    str_clear(out);
    int rc = fd_read_full(STDIN_FILENO, digits, sizeof digits, err);
    if (rc < 0)
        return rc;
    int n = hook_line_length(digits);
    if (n < 0)
        return err_set(err, ERR_INVALID, "git speaks another protocol");
    if (n == 0)
        return 0;
    cleanup_free char *text = xcalloc((size_t)n, 1);
    rc = fd_read_full(STDIN_FILENO, text, (size_t)n, err);
    if (rc < 0)
        return rc;
    str_add(out, text, (size_t)n);
    return 1;
}

static void add_line(struct str *out, const char *text)
{
    str_addf(out, "%04zx%s", strlen(text) + 4, text);
}

/* --- what the pusher reads ----------------------------------------------------------------------
 */

static void tell_overlaps(const struct merge_report *report)
{
    (void)fprintf(stderr, "%zu %s to look at; both versions are kept:\n", report->len,
                  report->len == 1 ? "overlap" : "overlaps");
    for (size_t i = 0; i < report->len && i < OVERLAPS_SHOWN; i++) {
        const struct merge_overlap *o = &report->v[i];
        cleanup_str struct str name = STR_INIT;
        cleanup_str struct str text = STR_INIT;
        if (o->path)
            str_add_printable(&name, o->path, strlen(o->path));
        merge_overlap_describe(o, &text);
        (void)fprintf(stderr, "  %s: %s\n", name.p, text.p);
    }
    if (report->len > OVERLAPS_SHOWN)
        (void)fprintf(stderr, "  and %zu more\n", report->len - OVERLAPS_SHOWN);
}

static void tell(const struct receive_result *r)
{
    switch (r->how) {
    case RECEIVE_NOTHING:
        (void)fprintf(stderr, "Nothing new: the session has all of it.\n");
        break;
    case RECEIVE_AS_IS:
        (void)fprintf(stderr, "In the session: everybody gets it by their next sync.\n");
        break;
    case RECEIVE_MERGED:
        if (r->overlaps.len)
            tell_overlaps(&r->overlaps);
        (void)fprintf(stderr, "Merged into the session: everybody gets it by their next sync.\n"
                              "Run 'git pull' to have the merge here.\n");
        break;
    }
}

/* --- refs ---------------------------------------------------------------------------------------
 */

static void refuse(struct str *out, const char *ref, const char *why)
{
    cleanup_free char *line = xasprintf("ng %s %s", ref, why);
    add_line(out, line);
}

/* git shows "<old>..<new>": from what the session had of it to what was pushed. */
static void accept(struct str *out, const char *ref, const struct receive_result *r)
{
    char hex[OID_HEX + 1];
    cleanup_free char *line = xasprintf("ok %s", ref);
    add_line(out, line);
    if (oid_is_zero(&r->base))
        return;
    oid_format(&r->base, hex);
    cleanup_free char *option = xasprintf("option old-oid %s", hex);
    add_line(out, option);
}

static void take(struct hook_command *c, const struct sync_place *place, const char *git_dir,
                 const char *branch, struct str *out)
{
    cleanup_receive_result struct receive_result result = {0};
    cleanup_str struct str why = STR_INIT;
    struct err err = ERR_INIT;
    cleanup_free char *ref = xasprintf("refs/heads/%s", branch);
    if (strcmp(c->ref, ref) != 0) {
        str_addf(&why, "only the session branch %s can be pushed", branch);
        refuse(out, c->ref, why.p);
    } else if (oid_is_zero(&c->new_)) {
        refuse(out, c->ref, "the session branch cannot be deleted");
    } else if (sync_receive(place, git_dir, &c->new_, &result, &err) < 0) {
        str_add_printable(&why, err.msg, strlen(err.msg));
        refuse(out, c->ref, why.p);
    } else {
        tell(&result);
        accept(out, c->ref, &result);
    }
}

static int greet(struct err *err)
{
    static const char version[] = "version=1";
    cleanup_str struct str line = STR_INIT;
    cleanup_str struct str answer = STR_INIT;
    int rc = read_line(&line, err);
    if (rc < 0)
        return rc;
    if (rc == 0 || strncmp(line.p, version, sizeof version - 1) != 0)
        return err_set(err, ERR_INVALID, "git speaks another version of the hook's protocol");
    while ((rc = read_line(&line, err)) > 0)
        continue;
    if (rc < 0)
        return rc;
    add_line(&answer, version);
    str_adds(&answer, "0000");
    return fd_write_full(STDOUT_FILENO, answer.p, answer.len, err);
}

static int read_commands(struct strv *out, struct err *err)
{
    cleanup_str struct str line = STR_INIT;
    int rc;
    while ((rc = read_line(&line, err)) > 0) {
        if (out->len == HOOK_COMMANDS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d refs", HOOK_COMMANDS_MAX);
        strv_push(out, line.p);
    }
    return rc;
}

static int session_branch(const struct sync_place *place, char **out, struct err *err)
{
    cleanup_agent struct agent_client *agent = NULL;
    cleanup_json struct json_object *info = NULL;
    const char *text = NULL;
    int rc = agent_connect(place->socket, place->login, place->provider, &agent, err);
    if (rc == 0)
        rc = agent_info(agent, &info, err);
    if (rc == 0)
        rc = json_get_str(info, "session_branch", 4096, &text, err);
    if (rc == 0)
        *out = xstrdup(text);
    return rc;
}

static int answer(const struct sync_place *place, const char *git_dir, struct err *err)
{
    cleanup_strv struct strv lines = STRV_INIT;
    cleanup_str struct str out = STR_INIT;
    cleanup_free char *branch = NULL;
    int rc = greet(err);
    if (rc == 0)
        rc = read_commands(&lines, err);
    if (rc == 0)
        rc = session_branch(place, &branch, err);
    for (size_t i = 0; rc == 0 && i < lines.len; i++) {
        struct hook_command command;
        rc = hook_command_parse(lines.v[i], strlen(lines.v[i]), &command, err);
        if (rc == 0)
            take(&command, place, git_dir, branch, &out);
    }
    if (rc < 0)
        return rc;
    str_adds(&out, "0000");
    return fd_write_full(STDOUT_FILENO, out.p, out.len, err);
}

int hook_run(void)
{
    cleanup_sync_place struct sync_place place = {0};
    struct err err = ERR_INIT;
    const char *git_dir = getenv("GIT_DIR");
    cleanup_free char *path = git_dir ? realpath(git_dir, NULL) : NULL;
    int rc = geteuid() == 0 ? err_set(&err, ERR_DENIED, "not as uid 0") : 0;
    if (rc == 0 && !path)
        rc = err_set(&err, ERR_INVALID, "this is a hook of git");
    if (rc == 0)
        rc = sync_place_from_env(&place, &err);
    if (rc == 0)
        rc = repo_library_init(false, &err);
    if (rc == 0)
        rc = answer(&place, path, &err);
    if (rc < 0)
        (void)fprintf(stderr, "steadystate: push: %s\n", err.msg);
    return rc < 0;
}
