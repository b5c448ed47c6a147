/* Hijacked connections: attach and exec. */
#include "engine/rest/json.h"
#include "engine/rest/rest_internal.h"

int rest_attach(void *self, const char *name, int *fd, struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    rest_add_path(&path, "containers", name, "/attach?stream=1&stdin=1&stdout=1&stderr=1");
    return rest_hijack(
        self,
        &(struct rest_call){.what = "attach to the container", .method = "POST", .path = path.p},
        fd, err);
}

static struct json_object *exec_body(const struct engine_exec *exec)
{
    struct json_object *body = json_object_new_object();
    struct json_object *argv = json_object_new_array();
    for (size_t i = 0; i < exec->argv->len; i++)
        json_object_array_add(argv, json_object_new_string(exec->argv->v[i]));
    json_add(body, "Cmd", argv);
    json_add_bool(body, "AttachStdin", exec->want_stdin);
    json_add_bool(body, "AttachStdout", true);
    json_add_bool(body, "AttachStderr", true);
    json_add_bool(body, "Tty", false);
    json_add_str(body, "User", exec->user);
    if (exec->env) {
        struct json_object *env = json_object_new_array();
        for (size_t i = 0; i < exec->env->len; i++)
            json_object_array_add(env, json_object_new_string(exec->env->v[i]));
        json_add(body, "Env", env);
    }
    return body;
}

int rest_exec(void *self, const char *name, const struct engine_exec *exec, int *fd,
              char id[ENGINE_ID_MAX + 1], struct err *err)
{
    const char *what = "run a command in the container";
    cleanup_json struct json_object *body = exec_body(exec), *answer = NULL;
    cleanup_str struct str path = STR_INIT, start = STR_INIT;
    rest_add_path(&path, "containers", name, "/exec");
    *fd = -1;
    int rc = rest_call(
        self, &(struct rest_call){.what = what, .method = "POST", .path = path.p, .json = body},
        &answer, NULL, err);
    if (rc < 0)
        return rc;
    struct err read = ERR_INIT;
    if (rest_read_id(answer, id, &read) < 0)
        return rest_answer_error(what, &read, err);
    cleanup_json struct json_object *how = json_object_new_object();
    json_add_bool(how, "Detach", false);
    json_add_bool(how, "Tty", false);
    str_addf(&start, "/exec/%s/start", id);
    return rest_hijack(
        self, &(struct rest_call){.what = what, .method = "POST", .path = start.p, .json = how}, fd,
        err);
}

int rest_exec_status(void *self, const char *id, int *exit_code, struct err *err)
{
    const char *what = "ask how the command ended";
    cleanup_str struct str path = STR_INIT;
    rest_add_path(&path, "exec", id, "/json");
    cleanup_json struct json_object *answer = NULL;
    int rc = rest_call(self, &(struct rest_call){.what = what, .method = "GET", .path = path.p},
                       &answer, NULL, err);
    if (rc < 0)
        return rc;
    /* Podman says 0 while it runs, dockerd null: Running counts. */
    bool running = true;
    int64_t code = -1;
    struct err read = ERR_INIT;
    if (json_opt_bool(answer, "Running", &running, &read) < 0)
        return rest_answer_error(what, &read, err);
    if (running)
        return err_set(err, ERR_CONFLICT, "the command is still running");
    if (json_get_i64(answer, "ExitCode", INT32_MIN, INT32_MAX, &code, &read) < 0)
        return rest_answer_error(what, &read, err);
    *exit_code = (int)code;
    return 0;
}
