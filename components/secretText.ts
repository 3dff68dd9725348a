/** GitLab's tokens (its docs, "Token overview"), keys in PEM, and addresses with a password. */
const secretText = /^(gl[a-z]{2,}-|GR1348941)[\w-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|^\w+:\/\/[^/@\s:]*:[^/@\s]+@/;

/** What a variable that holds a secret is called, word by word: `SECRET_DETECTION_DISABLED` is none, by its value. */
const secretWords =
  /(^|_)((PG|MYSQL_?|SSH)?(PASSWORD|PASSWD|PASSPHRASE|PASS|PWD)|(API|AUTH|ACCESS)?TOKEN|SECRET|CREDENTIALS?|AUTH|(API|ACCESS|ACCOUNT|PRIVATE|SECRET|SIGNING|ENCRYPTION|DEPLOY)_?KEY)(_|$)/;

/** Values that hide nothing: switches, numbers, paths, addresses without password, references to other variables. */
const harmlessValue = /^(|true|false|yes|no|on|off|\d+|\$.*|[./~].*|\w+:\/\/[^@]*)$/i;

/**
 * Does a text look like a secret where nothing declares it one?
 *
 * @param path where it stands; entries of `environment` are variables with their values
 */
export function looksSecret(text: string, path: readonly PropertyKey[]): boolean {
  const isVariable = path.at(-2) === "environment";
  const [name = "", value = ""] = isVariable ? split(text) : ["", text];
  return (
    secretText.test(isVariable ? value : text) || (secretWords.test(name.toUpperCase()) && !harmlessValue.test(value))
  );
}

/** A text, such as a script, with a mask for GitLab's tokens and passwords of addresses, wherever they stand in it. */
export function withoutCredentials(text: string, mask: string): string {
  return text
    .replace(/(?<![\w-])(gl(pat|oas|dt|rtr?|cbt|ptt|ft|imt|agent|wt|soat|ffct)-|GR1348941)[\w.-]{16,}/g, mask)
    .replace(/(\w:\/\/[^/@\s:'"]*:)(?!\$)[^/@\s'"]+@/g, `$1${mask}@`);
}

function split(variable: string): [string, string] {
  const at = variable.indexOf("=");
  return at < 0 ? [variable, ""] : [variable.slice(0, at), variable.slice(at + 1)];
}
