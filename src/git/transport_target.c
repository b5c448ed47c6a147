#include <string.h>

#include "base/mem.h"
#include "git/transport_run.h"

void transport_target_release(struct transport_target *t)
{
    repo_url_release(&t->url);
}

static int refuse(struct transport_failure *why, const char *reason, int code)
{
    why->reason = reason;
    return code;
}

int transport_check_remote(const struct transport_remote *remote, struct transport_target *out,
                           struct transport_failure *why, struct err *err)
{
    int rc = repo_url_parse(remote->url, strlen(remote->url), &out->url, err);
    if (rc < 0)
        return refuse(why, "repository_refused", rc);
    const struct repo_url *u = &out->url;
    if (u->kind == REPO_FILE) {
        if (remote->allow_local)
            return 0;
        rc = err_set(err, ERR_DENIED, "local repositories are not allowed here");
        return refuse(why, "repository_refused", rc);
    }
    rc = net_check_host(u->host, remote->allowed_hosts, remote->n_allowed_hosts, &out->addrs, err);
    if (rc < 0)
        return refuse(why, rc == ERR_DENIED ? "repository_refused" : "repository_unreachable", rc);
    if (u->kind == REPO_HTTP) {
        bool listed = false;
        for (size_t i = 0; i < out->addrs.len && !listed; i++)
            listed = net_allow_has(remote->allowed_hosts, remote->n_allowed_hosts, u->host,
                                   out->addrs.text[i]);
        if (!listed) {
            rc = err_set(err, ERR_DENIED, "plain http is not allowed for %.200s", u->host);
            return refuse(why, "repository_refused", rc);
        }
    }
    if (u->kind == REPO_SSH && !remote->known_hosts) {
        rc = err_set(err, ERR_DENIED, "no host keys are configured for ssh repositories");
        return refuse(why, "repository_refused", rc);
    }
    return 0;
}
