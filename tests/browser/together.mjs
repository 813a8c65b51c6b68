// Starts several programs at once, all or none.

/** Waits for every start; if one fails, stops the others, so that the test run ends instead of waiting for them. */
export async function together(...starts) {
  const outcomes = await Promise.allSettled(starts);
  const failed = outcomes.find(({ status }) => status === "rejected");
  if (failed === undefined) return outcomes.map(({ value }) => value);
  await Promise.all(outcomes.map(({ value }) => value?.stop()));
  throw failed.reason;
}
