import { X509Certificate } from "node:crypto";

/** The certificates in a text of PEM blocks, each as its own text. */
export function certificatesOf(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
}

/** Says why a text is no PEM with certificates, one or more; undefined when it is. Never shows a key. */
export function certificateError(pem: string): string | undefined {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    return "holds a private key; give the certificate only, and treat that key as exposed";
  }
  const blocks = certificatesOf(pem);
  if (blocks.length === 0) {
    return "is not a PEM certificate; give text that begins with -----BEGIN CERTIFICATE-----";
  }
  const unreadable = blocks.findIndex((block) => !isCertificate(block));
  return unreadable < 0 ? undefined : `certificate ${unreadable + 1} cannot be read; export it again as PEM`;
}

function isCertificate(block: string): boolean {
  try {
    new X509Certificate(block);
    return true;
  } catch {
    return false;
  }
}
