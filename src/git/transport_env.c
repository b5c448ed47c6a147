#include "git/transport_env.h"

#include <stdio.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"

struct config {
    struct strv *env;
    size_t count;
};

static void config_add(struct config *c, const char *key, const char *value)
{
    strv_pushf(c->env, "GIT_CONFIG_KEY_%zu=%s", c->count, key);
    strv_pushf(c->env, "GIT_CONFIG_VALUE_%zu=%s", c->count, value);
    c->count++;
}

static const char *protocol_of(enum repo_kind kind)
{
    switch (kind) {
    case REPO_HTTPS:
        return "https";
    case REPO_HTTP:
        return "http";
    case REPO_SSH:
        return "ssh";
    default:
        return "file";
    }
}

static int port_of(const struct repo_url *u)
{
    return u->port ? u->port : u->kind == REPO_HTTPS ? 443 : u->kind == REPO_HTTP ? 80 : 22;
}

/* "host:port:addr,addr": the connection goes where the check looked. */
static void pin_addresses(struct config *c, const struct transport_target *t)
{
    cleanup_str struct str pin = STR_INIT;
    str_addf(&pin, "%s:%d:", t->url.host, port_of(&t->url));
    for (size_t i = 0; i < t->addrs.len; i++) {
        const char *a = t->addrs.text[i];
        str_addf(&pin, strchr(a, ':') ? "%s[%s]" : "%s%s", i ? "," : "", a);
    }
    config_add(c, "http.curloptResolve", pin.p);
}

static bool token_is_for(const struct transport_remote *remote, const struct repo_url *u)
{
    cleanup_str struct str with_port = STR_INIT;
    if (!remote->token || !remote->token_host)
        return false;
    url_add_host_port(&with_port, u->host, port_of(u));
    return strcmp(remote->token_host, u->host) == 0 || strcmp(remote->token_host, with_port.p) == 0;
}

/* A header that git sends to this origin only, and that curl drops on the way to another. */
static void add_credential(struct config *c, const struct transport_remote *remote,
                           const struct repo_url *u)
{
    if (!token_is_for(remote, u))
        return;
    cleanup_str struct str key = STR_INIT;
    cleanup_str_secret struct str plain = STR_INIT;
    cleanup_str_secret struct str value = STR_INIT;
    str_addf(&key, "http.%s://", protocol_of(u->kind));
    url_add_host_port(&key, u->host, u->port);
    str_adds(&key, "/.extraHeader");
    str_addf(&plain, "%s:%s", remote->token_username ? remote->token_username : "x-access-token",
             remote->token);
    str_adds(&value, "Authorization: Basic ");
    enc_base64(&value, plain.p, plain.len);
    config_add(c, key.p, value.p);
}

static void add_http(struct config *c, const struct transport_job *job)
{
    int stall = job->helper->stall_s ? job->helper->stall_s : TRANSPORT_STALL_S;
    cleanup_free char *seconds = xasprintf("%d", stall);
    config_add(c, "http.followRedirects", "false");
    config_add(c, "http.lowSpeedLimit", "1000");
    config_add(c, "http.lowSpeedTime", seconds);
    config_add(c, "http.cookieFile", "");
    pin_addresses(c, job->target);
    add_credential(c, job->remote, &job->target->url);
}

/*
 * The ssh command. git hands it to a shell, so that every word is quoted but one: $PPID is the git
 * process, which holds the key's descriptor (ssh closes what it inherits, and wants a path).
 */
static void add_ssh(struct strv *env, const struct transport_job *job,
                    const struct transport_files *files)
{
    const struct repo_url *u = &job->target->url;
    cleanup_str struct str cmd = STR_INIT;
    cleanup_str struct str alias = STR_INIT;
    cleanup_free char *known = xasprintf("UserKnownHostsFile=%s/known_hosts", files->home);
    url_add_host_port(&alias, u->host, u->port == 22 ? 0 : u->port);
    if (strchr(u->host, ':') || (u->port && u->port != 22)) {
        str_clear(&alias);
        str_addf(&alias, "[%s]:%d", u->host, port_of(u));
    }
    cleanup_free char *host_alias = xasprintf("HostKeyAlias=%s", alias.p);
    cleanup_free char *host_name = xasprintf("HostName=%s", job->target->addrs.text[0]);
    const char *const options[] = {
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "CheckHostIP=no",
        "GlobalKnownHostsFile=/dev/null",
        "UpdateHostKeys=no",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "ForwardAgent=no",
        "ForwardX11=no",
        "ClearAllForwardings=yes",
        "ProxyCommand=none",
        "ProxyJump=none",
        "PermitLocalCommand=no",
        "ControlPath=none",
        "ConnectTimeout=15",
        "ServerAliveInterval=10",
        "ServerAliveCountMax=3",
        known,
        host_alias,
        host_name,
    };
    str_adds(&cmd, "exec ssh -F /dev/null");
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        str_adds(&cmd, " -o ");
        str_add_shell_quoted(&cmd, options[i]);
    }
    if (files->key_fd >= 0)
        str_addf(&cmd, " -o IdentityFile=/proc/$PPID/fd/%d", files->key_fd);
    else
        str_adds(&cmd, " -o IdentityFile=none");
    strv_pushf(env, "GIT_SSH_COMMAND=%s", cmd.p);
    strv_push(env, "GIT_SSH_VARIANT=ssh");
}

int transport_environment(const struct transport_job *job, const struct transport_files *files,
                          struct strv *env, struct err *err)
{
    static const char *const always[][2] = {
        {"credential.helper", ""},
        {"core.hooksPath", "/dev/null"},
        {"core.fsmonitor", "false"},
        {"gc.auto", "0"},
        {"maintenance.auto", "false"},
        {"transfer.unpackLimit", "1"}, /* one pack, so that the file size limit means something */
        {"push.followTags", "false"},
        {"protocol.version", "2"},
        {"init.defaultBranch", "main"},
        {"init.templateDir", ""},
    };
    const struct repo_url *u = &job->target->url;
    struct config c = {.env = env};
    strv_pushf(env, "PATH=%s",
               job->helper->path ? job->helper->path : "/usr/local/bin:/usr/bin:/bin");
    strv_pushf(env, "HOME=%s", files->home);
    strv_pushf(env, "GIT_ALLOW_PROTOCOL=%s", protocol_of(u->kind));
    strv_pushl(env, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
               "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false", "GIT_ADVICE=0", NULL);
    if (job->git_dir)
        strv_pushf(env, "GIT_DIR=%s", job->git_dir);
    if (job->alternates)
        strv_pushf(env, "GIT_ALTERNATE_OBJECT_DIRECTORIES=%s", job->alternates);
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        config_add(&c, always[i][0], always[i][1]);
    if (u->kind == REPO_HTTPS || u->kind == REPO_HTTP)
        add_http(&c, job);
    if (u->kind == REPO_SSH)
        add_ssh(env, job, files);
    if (u->kind == REPO_FILE)
        strv_pushf(env, "GIT_CONFIG_GLOBAL=%s/" TRANSPORT_GITCONFIG, files->home);
    else
        strv_push(env, "GIT_CONFIG_GLOBAL=/dev/null");
    strv_pushf(env, "GIT_CONFIG_COUNT=%zu", c.count);
    for (size_t i = 0; i < env->len; i++)
        if (strpbrk(env->v[i], "\n\r") != NULL)
            return err_set(err, ERR_INVALID, "line break in a transport setting");
    return 0;
}

void transport_env_release(struct strv *env)
{
    for (size_t i = 0; i < env->len; i++) {
        free_secret(env->v[i]);
        env->v[i] = NULL;
    }
    env->len = 0;
    strv_release(env);
}
