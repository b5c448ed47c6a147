#include "engine/rest/json.h"

#include <string.h>

static struct json_object *string_array(const struct strv *v)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; v && i < v->len; i++)
        json_object_array_add(array, json_object_new_string(v->v[i]));
    return array;
}

static struct json_object *one_string(const char *text)
{
    struct json_object *array = json_object_new_array();
    json_object_array_add(array, json_object_new_string(text));
    return array;
}

struct json_object *rest_json_labels(const struct strv *labels)
{
    struct json_object *obj = json_object_new_object();
    for (size_t i = 0; labels && i < labels->len; i++) {
        const char *eq = strchr(labels->v[i], '=');
        BUG_ON(!eq);
        cleanup_free char *key = xstrndup(labels->v[i], (size_t)(eq - labels->v[i]));
        json_add_str(obj, key, eq + 1);
    }
    return obj;
}

struct json_object *rest_json_label_filter(const char *label)
{
    struct json_object *obj = json_object_new_object();
    json_add(obj, "label", one_string(label));
    return obj;
}

struct json_object *rest_json_network(const struct engine_network *network)
{
    struct json_object *obj = json_object_new_object();
    struct json_object *config = json_object_new_object();
    struct json_object *configs = json_object_new_array();
    struct json_object *ipam = json_object_new_object();
    struct json_object *options = json_object_new_object();
    json_add_str(config, "Subnet", network->subnet);
    json_object_array_add(configs, config);
    json_add(ipam, "Config", configs);
    json_add_str(options, "com.docker.network.bridge.name", network->bridge);
    json_add_str(obj, "Name", network->name);
    json_add_bool(obj, "CheckDuplicate", true);
    json_add_str(obj, "Driver", "bridge");
    json_add(obj, "IPAM", ipam);
    json_add(obj, "Options", options);
    json_add(obj, "Labels", rest_json_labels(network->labels));
    return obj;
}

/* netavark takes 0.0.0.0 for an address that packets go to, so that nothing arrives; without an
 * address it publishes on all. dockerd publishes on IPv6 as well then. */
static const char *host_ip_of(const struct engine_container_spec *spec, bool podman)
{
    return podman && strcmp(spec->host_ip, "0.0.0.0") == 0 ? "" : spec->host_ip;
}

static void add_ports(struct json_object *body, struct json_object *host,
                      const struct engine_container_spec *spec, bool podman)
{
    if (!spec->port)
        return;
    cleanup_free char *port = xasprintf("%d/tcp", spec->port);
    cleanup_free char *host_port = xasprintf("%d", spec->host_port);
    struct json_object *exposed = json_object_new_object();
    json_add(exposed, port, json_object_new_object());
    json_add(body, "ExposedPorts", exposed);
    struct json_object *binding = json_object_new_object();
    json_add_str(binding, "HostIp", host_ip_of(spec, podman));
    json_add_str(binding, "HostPort", host_port);
    struct json_object *list = json_object_new_array();
    json_object_array_add(list, binding);
    struct json_object *ports = json_object_new_object();
    json_add(ports, port, list);
    json_add(host, "PortBindings", ports);
}

static void add_storage(struct json_object *host, const struct engine_container_spec *spec)
{
    if (spec->volume) {
        struct json_object *mount = json_object_new_object();
        json_add_str(mount, "Type", "volume");
        json_add_str(mount, "Source", spec->volume);
        json_add_str(mount, "Target", spec->volume_path);
        struct json_object *mounts = json_object_new_array();
        json_object_array_add(mounts, mount);
        json_add(host, "Mounts", mounts);
    }
    struct json_object *tmpfs = json_object_new_object();
    for (size_t i = 0; i < spec->n_tmpfs; i++)
        json_add_str(tmpfs, spec->tmpfs[i].path, spec->tmpfs[i].options);
    json_add(host, "Tmpfs", tmpfs);
    json_add_bool(host, "ReadonlyRootfs", spec->read_only);
}

static void add_ulimit(struct json_object *ulimits, const char *name, int value)
{
    struct json_object *u = json_object_new_object();
    json_add_str(u, "Name", name);
    json_add_i64(u, "Soft", value);
    json_add_i64(u, "Hard", value);
    json_object_array_add(ulimits, u);
}

static void add_limits(struct json_object *host, const struct engine_container_spec *spec)
{
    json_add_i64(host, "Memory", (int64_t)spec->memory);
    json_add_i64(host, "MemorySwap", (int64_t)spec->memory);
    json_add_i64(host, "NanoCpus", (int64_t)spec->cpus_milli * 1000000);
    json_add_i64(host, "PidsLimit", spec->pids);
    if (spec->shm_size)
        json_add_i64(host, "ShmSize", (int64_t)spec->shm_size);
    /* Both given always: Podman's service hands its own to the container otherwise, which may be
     * higher than a service without CAP_SYS_RESOURCE can set. */
    struct json_object *ulimits = json_object_new_array();
    add_ulimit(ulimits, "nofile", spec->nofile);
    add_ulimit(ulimits, "nproc", spec->nproc);
    json_add(host, "Ulimits", ulimits);
}

static void add_security(struct json_object *host, const struct engine_container_spec *spec,
                         bool podman)
{
    json_add(host, "CapDrop", one_string("ALL"));
    struct json_object *caps = json_object_new_array();
    for (const char *const *c = spec->cap_add; c && *c; c++)
        json_object_array_add(caps, json_object_new_string(*c));
    json_add(host, "CapAdd", caps);
    struct json_object *options = one_string("no-new-privileges");
    if (spec->seccomp) {
        cleanup_free char *text = xasprintf("seccomp=%s", spec->seccomp);
        json_object_array_add(options, json_object_new_string(text));
    }
    json_add(host, "SecurityOpt", options);
    json_add_bool(host, "Privileged", false);
    /* Without a size Podman 4.3 looks for the image's largest id, with its locks taken in the wrong
     * order: a mount for another container at that moment, and it hangs for good (podman #16062).
     */
    if (podman && spec->userns_size) {
        cleanup_free char *mode =
            xasprintf("auto:size=%u,uidmapping=0:%u:%u,gidmapping=0:%u:%u", spec->userns_size,
                      spec->userns_base, spec->userns_size, spec->userns_base, spec->userns_size);
        json_add_str(host, "UsernsMode", mode);
    }
}

struct json_object *rest_json_container(const struct engine_container_spec *spec, bool podman)
{
    struct json_object *body = json_object_new_object();
    struct json_object *host = json_object_new_object();
    json_add_str(body, "Image", spec->image);
    json_add(body, "Entrypoint", string_array(spec->entrypoint));
    json_add(body, "Cmd", json_object_new_array());
    if (spec->env)
        json_add(body, "Env", string_array(spec->env));
    json_add(body, "Labels", rest_json_labels(spec->labels));
    json_add_str(body, "Hostname", spec->hostname);
    json_add_str(body, "User", spec->user);
    json_add_str(body, "WorkingDir", spec->workdir);
    json_add_bool(body, "OpenStdin", spec->open_stdin);
    json_add_bool(body, "StdinOnce", false);
    json_add_bool(body, "AttachStdin", spec->open_stdin);
    json_add_bool(body, "AttachStdout", true);
    json_add_bool(body, "AttachStderr", true);
    struct json_object *health = json_object_new_object();
    json_add(health, "Test", one_string("NONE"));
    json_add(body, "Healthcheck", health);

    json_add_str(host, "NetworkMode", spec->network ? spec->network : "none");
    add_ports(body, host, spec, podman);
    add_storage(host, spec);
    add_limits(host, spec);
    add_security(host, spec, podman);
    struct json_object *restart = json_object_new_object();
    json_add_str(restart, "Name", "no");
    json_add(host, "RestartPolicy", restart);
    struct json_object *log = json_object_new_object();
    json_add_str(log, "Type", "none");
    json_add(host, "LogConfig", log);
    json_add_str(host, "IpcMode", "private");
    json_add(body, "HostConfig", host);
    return body;
}
