/** Shell: loads an image that was made in 2020, as nobody waits a day for one to grow old; without a name unless given. */
export const oldImage = (content: string, name?: string): string =>
  [
    "old=$(mktemp -d)",
    `echo ${content} >$old/file`,
    "tar -C $old -cf $old/layer.tar file",
    `printf '{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $(sha256sum <$old/layer.tar | cut -d ' ' -f 1) >$old/config.json`,
    `printf '[{"Config":"config.json","RepoTags":${name === undefined ? "null" : `["${name}"]`},"Layers":["layer.tar"]}]' >$old/manifest.json`,
    "tar -C $old -c manifest.json config.json layer.tar | docker load",
    // Engines with containerd's image store name it by its manifest, others by its config.
    name === undefined
      ? 'echo "id=sha256:$(sha256sum <$old/config.json | cut -d " " -f 1)."'
      : `docker image inspect --format 'id={{.Id}}.' ${name}`,
    "rm -rf $old",
  ].join("\n");

/** The id that it told. */
export const idOf = (text: string): string => /^id=sha256:([0-9a-f]{64})\./m.exec(text)![1]!;
