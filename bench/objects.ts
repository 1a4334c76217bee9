// The objects that figures are measured with.

export const deployment = (name: string, image: string): string => `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  labels:
    app: ${name}
spec:
  replicas: 0
  selector:
    matchLabels:
      app: ${name}
  template:
    metadata:
      labels:
        app: ${name}
    spec:
      containers:
      - name: main
        image: registry.example/app:${image}
        ports:
        - containerPort: 8080
        env:
        - name: MODE
          value: production
        resources:
          requests:
            cpu: 10m
            memory: 32Mi
`

export const nameOf = (index: number): string => `app-${String(index).padStart(5, "0")}`

/** `count` Deployments, one file each. */
export const deployments = (count: number, image: string): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `apps/${nameOf(i)}.yaml`,
      deployment(nameOf(i), image),
    ]),
  )
