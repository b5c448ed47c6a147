/* Images, networks, volumes and lists. */
#include <string.h>

#include "base/url.h"
#include "engine/rest/json.h"
#include "engine/rest/rest_internal.h"

int rest_image_inspect(void *self, const char *ref, struct engine_image *out, struct err *err)
{
    /* A reference keeps its slashes: the engines' routers take the rest of the path. */
    cleanup_str struct str path = STR_INIT;
    str_adds(&path, "/images/");
    for (const char *p = ref; *p;) {
        size_t n = strcspn(p, "/");
        url_encode(&path, p, n);
        p += n;
        if (*p == '/') {
            str_addc(&path, '/');
            p++;
        }
    }
    str_adds(&path, "/json");
    const char *what = "look at the image";
    cleanup_json struct json_object *answer = NULL;
    int rc = rest_call(self, &(struct rest_call){.what = what, .method = "GET", .path = path.p},
                       &answer, NULL, err);
    if (rc < 0)
        return rc;
    struct err read = ERR_INIT;
    if (rest_read_image(answer, out, &read) < 0)
        return rest_answer_error(what, &read, err);
    return 0;
}

int rest_network_create(void *self, const struct engine_network *network, struct err *err)
{
    cleanup_json struct json_object *body = rest_json_network(network);
    return rest_call(
        self,
        &(struct rest_call){
            .what = "make the network", .method = "POST", .path = "/networks/create", .json = body},
        NULL, NULL, err);
}

/* DELETE with absent as success. */
static int remove_object(struct rest *r, const char *kind, const char *name, const char *what,
                         struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    rest_add_path(&path, kind, name, "");
    struct err local = ERR_INIT;
    int rc = rest_call(r, &(struct rest_call){.what = what, .method = "DELETE", .path = path.p},
                       NULL, NULL, &local);
    if (rc < 0 && rc != ERR_NOT_FOUND)
        return err_set(err, rc, "%s", local.msg);
    return 0;
}

int rest_network_remove(void *self, const char *name, struct err *err)
{
    return remove_object(self, "networks", name, "remove the network", err);
}

int rest_volume_create(void *self, const char *name, const struct strv *labels, struct err *err)
{
    cleanup_json struct json_object *body = json_object_new_object();
    json_add_str(body, "Name", name);
    json_add(body, "Labels", rest_json_labels(labels));
    return rest_call(
        self,
        &(struct rest_call){
            .what = "make the volume", .method = "POST", .path = "/volumes/create", .json = body},
        NULL, NULL, err);
}

int rest_volume_remove(void *self, const char *name, struct err *err)
{
    return remove_object(self, "volumes", name, "remove the volume", err);
}

int rest_list(void *self, enum engine_kind kind, const char *label, struct engine_list *out,
              struct err *err)
{
    static const char *const paths[] = {
        [ENGINE_CONTAINERS] = "/containers/json?all=1&filters=",
        [ENGINE_NETWORKS] = "/networks?filters=",
        [ENGINE_VOLUMES] = "/volumes?filters=",
    };
    const char *what = "list what there is";
    cleanup_json struct json_object *filter = rest_json_label_filter(label);
    cleanup_str struct str text = STR_INIT, path = STR_INIT;
    json_print(filter, &text);
    str_adds(&path, paths[kind]);
    url_encode(&path, text.p, text.len);
    memset(out, 0, sizeof *out);
    cleanup_json struct json_object *answer = NULL;
    int rc = rest_call(self, &(struct rest_call){.what = what, .method = "GET", .path = path.p},
                       &answer, NULL, err);
    if (rc < 0)
        return rc;
    struct err read = ERR_INIT;
    if (rest_read_list(answer, kind, out, &read) < 0)
        return rest_answer_error(what, &read, err);
    return 0;
}
