#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/net.h"
#include "base/proc.h"
#include "compute/container/container.h"

#define GUARD_TIMEOUT_MS 10000
#define GUARD_OUTPUT_MAX 16384
#define CHAIN_INPUT "STEADYSTATE-INPUT"
#define CHAIN_PRE "STEADYSTATE-PRE"
#define SESSIONS CONTAINER_BRIDGE_PREFIX "+"

/* Runs `<tool> -w 5 <words of line>`; *status is its exit code. */
static int tables(const char *tool, const char *line, int *status, struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, tool, "-w", "5", NULL);
    strv_split(&argv, line, " ");
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *const envp[] = {path, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = tool;
    spec.argv = argv.v;
    spec.envp = envp;
    cleanup_proc_result struct proc_result result = {0};
    int rc = proc_run(&spec, NULL, 0, GUARD_OUTPUT_MAX, GUARD_TIMEOUT_MS, &result, err);
    if (rc < 0)
        return rc;
    *status = result.status;
    if (result.status != 0 && err) {
        size_t n = strcspn(result.errs.p, "\n");
        result.errs.p[n < result.errs.len ? n : result.errs.len] = '\0';
        err_set(err, ERR_UNSUPPORTED, "%s: %s", tool, result.errs.p);
    }
    return 0;
}

/* One that has to work. */
static int must(const char *tool, const char *line, struct err *err)
{
    int status = 0;
    int rc = tables(tool, line, &status, err);
    if (rc < 0)
        return rc;
    return status ? err->code : 0;
}

static int has(const char *tool, const char *line, bool *yes, struct err *err)
{
    int status = 0;
    int rc = tables(tool, line, &status, NULL);
    *yes = rc == 0 && status == 0;
    return rc < 0 ? err_set(err, ERR_UNSUPPORTED, "%s cannot be run", tool) : 0;
}

/* A chain with these rules, reached from `from` by what comes from a session. A chain that is there
 * is filled anew, so that an older version's rules do not stay. */
static int install(const char *tool, const char *table, const char *chain, const char *from,
                   const struct strv *rules, struct err *err)
{
    cleanup_free char *list = xasprintf("-t %s -n -L %s", table, chain);
    cleanup_free char *make = xasprintf("-t %s -N %s", table, chain);
    cleanup_free char *flush = xasprintf("-t %s -F %s", table, chain);
    cleanup_free char *check = xasprintf("-t %s -C %s -i " SESSIONS " -j %s", table, from, chain);
    cleanup_free char *jump = xasprintf("-t %s -I %s -i " SESSIONS " -j %s", table, from, chain);
    bool there = false;
    int rc = has(tool, list, &there, err);
    if (rc == 0)
        rc = must(tool, there ? flush : make, err);
    for (size_t i = 0; rc == 0 && i < rules->len; i++) {
        cleanup_free char *add = xasprintf("-t %s -A %s %s", table, chain, rules->v[i]);
        rc = must(tool, add, err);
    }
    if (rc == 0)
        rc = has(tool, check, &there, err);
    if (rc == 0 && !there)
        rc = must(tool, jump, err);
    return rc;
}

/* "-d <address or network> -p tcp -j RETURN" for each entry that names one of this family. */
static void add_allowed(struct strv *rules, const char *entry, bool v6)
{
    struct net_addrs addrs = {0};
    if (strchr(entry, '/')) {
        if ((strchr(entry, ':') != NULL) == v6)
            strv_pushf(rules, "-d %s -p tcp -j RETURN", entry);
        return;
    }
    /* ".suffix.example" has no address; a name that does not resolve now is not reached. */
    if (entry[0] == '.' || net_resolve(entry, &addrs, NULL) < 0)
        return;
    for (size_t i = 0; i < addrs.len; i++)
        if ((strchr(addrs.text[i], ':') != NULL) == v6)
            strv_pushf(rules, "-d %s -p tcp -j RETURN", addrs.text[i]);
}

static int install_input(const char *tool, bool v6, char *const *allowed, size_t n, struct err *err)
{
    cleanup_strv struct strv rules = STRV_INIT;
    /* Answers to connections that the host opened itself (the published port's proxy), the
     * engine's name service on the gateway, forges on this very host. */
    strv_push(&rules, "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN");
    strv_push(&rules, "-p udp --dport 53 -j RETURN");
    for (size_t i = 0; i < n; i++)
        add_allowed(&rules, allowed[i], v6);
    strv_push(&rules, "-j DROP");
    return install(tool, "filter", CHAIN_INPUT, "INPUT", &rules, err);
}

static const char *find_tool(const char *const *paths)
{
    for (; *paths; paths++)
        if (access(*paths, X_OK) == 0)
            return *paths;
    return NULL;
}

int container_guard(char *const *allowed, size_t n, struct err *err)
{
    static const char *const tools4[] = {"/usr/sbin/iptables", "/sbin/iptables", NULL};
    static const char *const tools6[] = {"/usr/sbin/ip6tables", "/sbin/ip6tables", NULL};
    const char *v4 = find_tool(tools4), *v6 = find_tool(tools6);
    if (geteuid() != 0)
        return err_set(err, ERR_UNSUPPORTED, "needs root");
    if (!v4 || !v6)
        return err_set(err, ERR_UNSUPPORTED, "iptables is not installed");
    cleanup_strv struct strv link_local = STRV_INIT;
    strv_push(&link_local, "-d 169.254.0.0/16 -j DROP");
    int rc = install_input(v4, false, allowed, n, err);
    if (rc == 0)
        rc = install_input(v6, true, allowed, n, err);
    /* Before routing, since engines put rules of their own in front of everybody's in FORWARD. */
    if (rc == 0)
        rc = install(v4, "mangle", CHAIN_PRE, "PREROUTING", &link_local, err);
    return rc;
}
