/* `steadystate-agent hook`: a hook of git in the shared terminal, run as its account. The
 * repository's own hook runs first; then the commit gets the people who typed. */
#include "agent/terminal_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "sync/agent_client.h"
#include "sync/sync.h"

#define MESSAGE_MAX (4 * 1024 * 1024)
#define GIT_MS 30000
#define PEOPLE_MAX 256

extern char **environ;

static int fail(const struct err *err)
{
    (void)fprintf(stderr, "steadystate: who typed cannot be noted: %s\n", err->msg);
    return 1;
}

/* --- the repository's own hook -------------------------------------------------------------------
 */

/* Where git would look, were we not in front. */
static char *own_hook(const char *name)
{
    cleanup_strv struct strv argv = STRV_INIT;
    cleanup_strv struct strv envp = STRV_INIT;
    cleanup_proc_result struct proc_result out = {0, STR_INIT, STR_INIT};
    for (char **e = environ; *e; e++)
        if (!str_starts_with(*e, "GIT_CONFIG_"))
            strv_push(&envp, *e);
    strv_pushl(&argv, "git", "rev-parse", "--git-path", NULL);
    strv_pushf(&argv, "hooks/%s", name);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "git";
    spec.argv = argv.v;
    spec.envp = envp.v;
    if (proc_run(&spec, NULL, 0, 65536, GIT_MS, &out, NULL) < 0 || out.status != 0)
        return NULL;
    size_t n = strcspn(out.out.p, "\n");
    cleanup_free char *path = xstrndup(out.out.p, n);
    return n > 0 && access(path, X_OK) == 0 ? steal(&path) : NULL;
}

static int run_own_hook(const char *name, int argc, char *const *args)
{
    cleanup_free char *path = own_hook(name);
    cleanup_strv struct strv argv = STRV_INIT;
    struct err err = ERR_INIT;
    pid_t pid;
    int status = 0;
    if (!path)
        return 0;
    strv_push(&argv, path);
    for (int i = 0; i < argc; i++)
        strv_push(&argv, args[i]);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = path;
    spec.argv = argv.v;
    spec.envp = environ;
    spec.stdin_fd = STDIN_FILENO;
    spec.stdout_fd = STDOUT_FILENO;
    spec.stderr_fd = STDERR_FILENO;
    int rc = proc_start(&spec, &pid, &err);
    if (rc == 0)
        rc = proc_wait(pid, &status, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "steadystate: %s: %s\n", path, err.msg);
        return 1;
    }
    return status;
}

/* --- who typed -----------------------------------------------------------------------------------
 */

static int ask_agent(const char *verb, struct json_object *request, struct json_object **reply,
                     struct err *err)
{
    cleanup_sync_place struct sync_place place = {0};
    cleanup_agent struct agent_client *agent = NULL;
    int rc = sync_place_from_env(&place, err);
    if (rc == 0)
        rc = agent_connect(place.socket, place.login, place.provider, &agent, err);
    if (rc < 0) {
        json_object_put(request);
        return rc;
    }
    return agent_ask(agent, verb, request, reply, err);
}

/* A message of comments only ends the commit; ours must not save it. */
static bool has_message(const char *file)
{
    cleanup_str struct str text = STR_INIT;
    if (fd_read_file(AT_FDCWD, file, MESSAGE_MAX, &text, NULL) < 0)
        return true;
    for (const char *line = text.p; line && *line;) {
        size_t n = strcspn(line, "\n");
        if (str_starts_with(line, "# ------------------------ >8"))
            break;
        if (*line != '#' && strspn(line, " \t\r") < n)
            return true;
        line += n + (line[n] == '\n');
    }
    return false;
}

static int add_trailers(const char *file, struct json_object *people, struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    cleanup_proc_result struct proc_result out = {0, STR_INIT, STR_INIT};
    strv_pushl(&argv, "git", "interpret-trailers", "--in-place", "--no-divider", "--if-exists",
               "addIfDifferent", NULL);
    for (size_t i = 0; i < json_object_array_length(people); i++) {
        strv_push(&argv, "--trailer");
        strv_pushf(&argv, "Co-authored-by: %s",
                   json_object_get_string(json_object_array_get_idx(people, i)));
    }
    strv_push(&argv, file);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "git";
    spec.argv = argv.v;
    spec.envp = environ;
    int rc = proc_run(&spec, NULL, 0, 65536, GIT_MS, &out, err);
    return rc < 0 || out.status == 0 ? rc : err_set(err, ERR_FAILED, "git interpret-trailers");
}

static int name_authors(const char *file)
{
    struct err err = ERR_INIT;
    cleanup_json struct json_object *reply = NULL;
    struct json_object *people = NULL;
    struct json_object *request = json_object_new_object();
    if (!has_message(file)) {
        json_object_put(request);
        return 0;
    }
    json_add_str(request, "except", getenv("GIT_AUTHOR_EMAIL"));
    int rc = ask_agent("coauthors", request, &reply, &err);
    if (rc == 0)
        rc = json_opt_array(reply, "coauthors", PEOPLE_MAX, &people, &err);
    if (rc == 0 && people && json_object_array_length(people) > 0)
        rc = add_trailers(file, people, &err);
    return rc < 0 ? fail(&err) : 0;
}

int terminal_hook(const char *name, int argc, char *const *args)
{
    struct err err = ERR_INIT;
    cleanup_json struct json_object *reply = NULL;
    int status = run_own_hook(name, argc, args);
    if (status != 0)
        return status;
    /* With an editor still to come the message is not there yet; without one, --no-verify passes
     * over commit-msg but not over this. */
    bool prepared =
        strcmp(name, "prepare-commit-msg") == 0 && argc >= 2 && strcmp(args[1], "template") != 0;
    if ((prepared || strcmp(name, "commit-msg") == 0) && argc >= 1)
        return name_authors(args[0]);
    if (strcmp(name, "post-commit") == 0 &&
        ask_agent("committed", json_object_new_object(), &reply, &err) < 0)
        return fail(&err);
    return 0;
}
