#include "agent/sshd_text.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ssh/key.h"

/* sshd takes \" for a quote inside command="..." and everything else as it is. */
static void add_sshd_quoted(struct str *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"')
            str_addc(out, '\\');
        str_addc(out, *text);
    }
}

static bool has_control_byte(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

/* A word of the command; plain words stay readable, and the container's wrapper splits at blanks.
 */
static void add_word(struct str *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-@+";
    if (out->len > 0)
        str_addc(out, ' ');
    if (word[0] && word[strspn(word, plain)] == 0)
        str_adds(out, word);
    else
        str_add_shell_quoted(out, word);
}

int sshd_key_line(const char *wrapper, const char *root, const char *provider, const char *login,
                  const char *key, bool forward, struct str *out, struct err *err)
{
    if (!spec_login_is_valid(login) || !spec_provider_is_valid(provider))
        return err_set(err, ERR_INVALID, "login or provider malformed");
    if (has_control_byte(wrapper) || (root && has_control_byte(root)))
        return err_set(err, ERR_INVALID, "a path has control bytes");
    cleanup_ssh_key struct ssh_key parsed;
    int rc = ssh_key_parse_line(key, strlen(key), &parsed, err);
    if (rc < 0)
        return rc;
    cleanup_str struct str command = STR_INIT;
    add_word(&command, wrapper);
    if (root) {
        add_word(&command, "--session-root");
        add_word(&command, root);
    }
    add_word(&command, provider);
    add_word(&command, login);
    str_adds(out, forward ? "restrict,pty,port-forwarding,command=\"" : "restrict,pty,command=\"");
    add_sshd_quoted(out, command.p);
    str_adds(out, "\" ");
    ssh_key_format(&parsed, out);
    str_addc(out, '\n');
    return 0;
}

static bool is_somebody_elses(const struct spec_user *users, size_t n, size_t self, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (i != self && strv_has(&users[i].keys, key))
            return true;
    return false;
}

void sshd_authorized_keys(const char *wrapper, const char *root, const struct spec_user *users,
                          size_t n, sshd_forward_fn may_forward, void *payload, struct str *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct spec_user *u = &users[i];
        for (size_t k = 0; k < u->keys.len; k++) {
            struct err err = ERR_INIT;
            if (is_somebody_elses(users, n, i, u->keys.v[k])) {
                log_warn("a key of %s is also somebody else's and opens nothing", u->login);
                continue;
            }
            if (sshd_key_line(wrapper, root, u->provider, u->login, u->keys.v[k],
                              may_forward(u, payload), out, &err) < 0)
                log_warn("a key of %s is left out: %s", u->login, err.msg);
        }
    }
}

static int check_word(const char *what, const char *text, struct err *err)
{
    if (!text[0] || has_control_byte(text) || strpbrk(text, " \"'\\%#"))
        return err_set(err, ERR_INVALID, "%s cannot be written in sshd_config", what);
    return 0;
}

static void add_listen(const struct sshd_settings *s, struct str *out)
{
    if (!s->bind)
        return;
    bool v6 = strchr(s->bind, ':') != NULL;
    str_addf(out, v6 ? "ListenAddress [%s]:%d\n" : "ListenAddress %s:%d\n", s->bind, s->port);
}

int sshd_config_text(const struct sshd_settings *s, struct str *out, struct err *err)
{
    int rc = check_word("the SSH user", s->user, err);
    if (rc == 0)
        rc = check_word("the host key's path", s->host_key, err);
    if (rc == 0)
        rc = check_word("the path of authorized_keys", s->authorized_keys, err);
    if (rc == 0)
        rc = check_word("the path of sftp-server", s->sftp_server, err);
    if (rc == 0 && s->bind)
        rc = check_word("the bind address", s->bind, err);
    if (rc < 0)
        return rc;
    str_addf(out, "Port %d\n", s->port);
    add_listen(s, out);
    str_addf(out, "HostKey %s\nAuthorizedKeysFile %s\nAllowUsers %s\n", s->host_key,
             s->authorized_keys, s->user);
    str_addf(out, "PermitRootLogin %s\n", s->root_login ? "forced-commands-only" : "no");
    str_addf(out, "StrictModes %s\n", s->below_sticky ? "no" : "yes");
    str_adds(out, "PidFile none\n"
                  "UsePAM no\n"
                  "UseDNS no\n"
                  "AuthenticationMethods publickey\n"
                  "PubkeyAuthentication yes\n"
                  "PasswordAuthentication no\n"
                  "KbdInteractiveAuthentication no\n"
                  "HostbasedAuthentication no\n"
                  "PermitEmptyPasswords no\n"
                  "PermitUserEnvironment no\n"
                  "PermitUserRC no\n"
                  /* Forwards are opened by sshd itself, in a container as uid 0. */
                  "DisableForwarding no\n"
                  "AllowTcpForwarding local\n"
                  "AllowStreamLocalForwarding no\n"
                  "AllowAgentForwarding no\n"
                  "PermitOpen localhost:* 127.0.0.1:* [::1]:*\n"
                  "PermitListen none\n"
                  "PermitTunnel no\n"
                  "GatewayPorts no\n"
                  "X11Forwarding no\n"
                  "AcceptEnv LANG LC_* COLORTERM GIT_PROTOCOL\n"
                  /* Everybody comes from the gateway's address. */
                  "MaxStartups 500:30:1000\n"
                  "PerSourceMaxStartups none\n"
                  "MaxSessions 64\n"
                  "MaxAuthTries 20\n"
                  "LoginGraceTime 30\n"
                  /* A peer that vanished is gone after a minute. */
                  "ClientAliveInterval 15\n"
                  "ClientAliveCountMax 4\n"
                  "TCPKeepAlive yes\n"
                  "PrintMotd no\n"
                  "PrintLastLog no\n"
                  "Banner none\n"
                  "LogLevel INFO\n");
    str_addf(out, "Subsystem sftp %s\n", s->sftp_server);
    return 0;
}
