import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent as lazy,
} from "@tanstack/react-router";
import { batchSearch } from "./batch/batchSearch";
import { batchesSearch } from "./batches/batchesSearch";
import { deadLetterFilters } from "./dead-letters/filters";
import { imageSearch } from "./image/imageSearch";
import { ErrorState } from "./shell/ErrorState";
import { LoadingState } from "./shell/LoadingState";
import { NotFoundPage } from "./shell/NotFoundPage";
import { Shell } from "./shell/Shell";
import { parseSearch, stringifySearch, textParams } from "./shell/searchParams";
import { taskFilters } from "./tasks/filters";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFoundPage });
const under = { getParentRoute: () => root } as const;

const pages = [
  createRoute({
    ...under,
    path: "/",
    validateSearch: batchesSearch,
    component: lazy(() => import("./batches/BatchesPage"), "BatchesPage"),
  }),
  createRoute({
    ...under,
    path: "/batches/$batchId",
    validateSearch: batchSearch,
    component: lazy(() => import("./batch/BatchPage"), "BatchPage"),
  }),
  createRoute({
    ...under,
    path: "/images",
    validateSearch: imageSearch,
    component: lazy(() => import("./image/ImagePage"), "ImagePage"),
  }),
  createRoute({
    ...under,
    path: "/search",
    validateSearch: textParams("q", "mode", "batch"),
    component: lazy(() => import("./search/SearchPage"), "SearchPage"),
  }),
  createRoute({
    ...under,
    path: "/tasks",
    validateSearch: taskFilters,
    component: lazy(() => import("./tasks/TasksPage"), "TasksPage"),
  }),
  createRoute({
    ...under,
    path: "/chains/$chainId",
    component: lazy(() => import("./tasks/ChainPage"), "ChainPage"),
  }),
  createRoute({
    ...under,
    path: "/workers",
    component: lazy(() => import("./workers/WorkersPage"), "WorkersPage"),
  }),
  createRoute({
    ...under,
    path: "/dead-letters",
    validateSearch: deadLetterFilters,
    component: lazy(() => import("./dead-letters/DeadLettersPage"), "DeadLettersPage"),
  }),
  createRoute({
    ...under,
    path: "/submit",
    component: lazy(() => import("./submit/SubmitPage"), "SubmitPage"),
  }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(pages),
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultErrorComponent: ({ error, reset }) => <ErrorState error={error} retry={reset} />,
  defaultPendingComponent: LoadingState,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
