/** An error in a project's own files, to be told to whoever asked for the pipeline. */
export class ProjectError extends Error {}
