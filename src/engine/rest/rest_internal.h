/* What the files of the REST engine share. */
#ifndef ENGINE_REST_INTERNAL_H
#define ENGINE_REST_INTERNAL_H

#include <pthread.h>

#include "base/json.h"
#include "engine/engine.h"
#include "engine/rest.h"
#include "http/client.h"

#define REST_CONNECT_TIMEOUT_MS 5000
#define REST_TIMEOUT_MS 60000
#define REST_IDLE_MAX 4 /* kept-alive connections */
#define REST_PATH_MAX 2048

/* How the engine at hand differs. */
struct rest_dialect {
    bool podman;
    struct strv default_caps; /* what a container has when nothing is dropped, "CHOWN" */
};

struct rest {
    char *socket;
    int timeout_ms;

    pthread_mutex_t lock; /* the members below */
    struct http_client *idle[REST_IDLE_MAX];
    size_t n_idle;
    bool dialect_known;
    struct rest_dialect dialect;
};

/* One request. path is what follows the version and is made with url_encode where needed. */
struct rest_call {
    const char *what; /* for messages: "start container" */
    const char *method;
    const char *path;
    struct json_object *json;
    const char *tar; /* body of an archive */
    size_t tar_len;
    int extra_ms; /* on top of the usual time limit */
    bool *libpod; /* set to whether Podman answered; may be NULL */
};

/* 2xx and 304 are success; anything else becomes an error of engine.h. out gets the JSON answer,
 * NULL: none is expected; status may be NULL. */
int rest_call(struct rest *r, const struct rest_call *call, struct json_object **out, long *status,
              struct err *err);
/* The same for a hijacked connection. */
int rest_hijack(struct rest *r, const struct rest_call *call, int *fd, struct err *err);

/* An answer that could not be read (`read` says why) is no fault of the request: ERR_FAILED. */
int rest_answer_error(const char *what, const struct err *read, struct err *err);

/* The dialect, asked for once; the pointer is valid as long as the engine. */
int rest_dialect(struct rest *r, const struct rest_dialect **out, struct err *err);

/* "/containers/<name, encoded><suffix>" */
void rest_add_path(struct str *path, const char *kind, const char *name, const char *suffix);

int rest_ping(void *self, struct err *err);
int rest_info(void *self, struct engine_info *out, struct err *err);
int rest_image_inspect(void *self, const char *ref, struct engine_image *out, struct err *err);
int rest_network_create(void *self, const struct engine_network *network, struct err *err);
int rest_network_remove(void *self, const char *name, struct err *err);
int rest_volume_create(void *self, const char *name, const struct strv *labels, struct err *err);
int rest_volume_remove(void *self, const char *name, struct err *err);
int rest_list(void *self, enum engine_kind kind, const char *label, struct engine_list *out,
              struct err *err);
int rest_container_create(void *self, const struct engine_container_spec *spec,
                          char id[ENGINE_ID_MAX + 1], struct err *err);
int rest_container_inspect(void *self, const char *name, struct engine_container *out,
                           struct err *err);
int rest_container_start(void *self, const char *name, struct err *err);
int rest_container_stop(void *self, const char *name, int grace_s, struct err *err);
int rest_container_kill(void *self, const char *name, const char *signal, struct err *err);
int rest_container_remove(void *self, const char *name, struct err *err);
int rest_archive_put(void *self, const char *name, const char *dir, const void *tar, size_t n,
                     struct err *err);
int rest_attach(void *self, const char *name, int *fd, struct err *err);
int rest_exec(void *self, const char *name, const struct engine_exec *exec, int *fd,
              char id[ENGINE_ID_MAX + 1], struct err *err);
int rest_exec_status(void *self, const char *id, int *exit_code, struct err *err);

#endif
