import createClient from "openapi-fetch";
import type { components, paths } from "./recorder.openapi";

/** The recorder's API, which also serves this page. */
export const recorder = createClient<paths>({ baseUrl: window.location.origin });

type Schemas = components["schemas"];
export type Batch = Schemas["Batch"];
export type BatchImage = Schemas["BatchImage"];
export type Chunk = Schemas["Chunk"];
export type FailureGroup = Schemas["FailureGroup"];
export type Bucket = Schemas["Bucket"];
export type Chain = Schemas["Chain"];
export type DeadLetterDetail = Schemas["DeadLetterDetail"];
export type DeadLetterItem = Schemas["DeadLetterItem"];
export type Image = Schemas["Image"];
export type Provenance = Schemas["Provenance"];
export type ResultVersion = Schemas["ResultVersion"];
export type ResultVersions = Schemas["ResultVersions"];
export type SearchHit = Schemas["SearchHit"];
export type Task = Schemas["Task"];
export type TaskItem = Schemas["TaskItem"];
export type TaskGroup = Schemas["TaskGroup"];
export type Worker = Schemas["Worker"];
export type DeadLetterActionResult = Schemas["Done"];
export type DeadLettersQuery = NonNullable<paths["/v1/dead-letters"]["get"]["parameters"]["query"]>;
export type TasksQuery = NonNullable<paths["/v1/tasks"]["get"]["parameters"]["query"]>;
